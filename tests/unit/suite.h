/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The frame of a unit test program: SUITE_MAIN lists the tests; `CK_FORK=no` debugs one in place.
 * A table-driven test is added with LOOP_TEST: it runs once per row, _i is the row.
 */
#include <check.h>
#include <stdlib.h>

/*
 * Each assertion that holds is written down, for who asks where a crashed test was last. A sanitizer tells that better, and
 * without a process for each test it takes most of the time of some.
 */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define _mark_point(file, line) ((void)0)
#endif
#endif

struct suite_test {
	const TTest *test;
	int n_rows; /* 0: a plain test */
};

static inline int suite_run(const char *name, const struct suite_test *tests, size_t n_tests)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int n_failed;

	for (size_t i = 0; i < n_tests; i++) {
		if (tests[i].n_rows > 0)
			tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].n_rows);
		else
			tcase_add_test(tcase, tests[i].test);
	}
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define LOOP_TEST(fn, rows)                                                                        \
	{                                                                                          \
		(fn), (int)(sizeof(rows) / sizeof((rows)[0]))                                      \
	}
#define PLAIN_TEST(fn)                                                                             \
	{                                                                                          \
		(fn), 0                                                                            \
	}

#define SUITE_MAIN(name, ...)                                                                      \
	int main(void)                                                                             \
	{                                                                                          \
		const struct suite_test tests[] = { __VA_ARGS__ };                                 \
                                                                                                   \
		return suite_run((name), tests, sizeof(tests) / sizeof(tests[0]));                 \
	}
