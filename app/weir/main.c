/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weir: reads its arguments and its configuration, then runs the daemon. Exit codes: 0 done,
 * 1 failed while running, 2 bad usage or bad configuration (nothing was started).
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "doctor.h"

enum { EXIT_BAD_USAGE = 2 };

struct options {
	const char *file;
	bool is_check_only;
	bool is_doctor;
	unsigned int until_idle_ms;
};

static const char usage[] = "usage: weir -c FILE [--check | --until-idle MS]\n"
			    "       weir --doctor [-c FILE]\n"
			    "       weir --version | --help\n"
			    "\n"
			    "  -c FILE          the configuration\n"
			    "  --check          say what is wrong with it, start nothing\n"
			    "  --until-idle MS  stop once no packet has come for that long\n"
			    "  --doctor         what this machine lacks to run weir well\n";

static int options_fail(const char *what)
{
	fprintf(stderr, "weir: %s; see weir --help\n", what);
	return -EINVAL;
}

static int options_parse_ms(const char *text, unsigned int *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > 86400000)
		return options_fail("--until-idle takes milliseconds, 1 to 86400000");
	*out = (unsigned int)value;
	return 0;
}

/* 0: go on; 1: answered already; -EINVAL: bad usage, said on stderr. */
static int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option longopts[] = {
		{ "check", no_argument, NULL, 'k' },
		{ "until-idle", required_argument, NULL, 'u' },
		{ "doctor", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:", longopts, NULL)) != -1) {
		switch (opt) {
		case 'c':
			options->file = optarg;
			break;
		case 'k':
			options->is_check_only = true;
			break;
		case 'u':
			if (options_parse_ms(optarg, &options->until_idle_ms) < 0)
				return -EINVAL;
			break;
		case 'd':
			options->is_doctor = true;
			break;
		case 'v':
			printf("weir %s\n", WEIR_VERSION);
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			return -EINVAL; /* getopt has said why */
		}
	}
	if (optind < argc)
		return options_fail("arguments without a meaning");
	if (options->is_doctor && (options->is_check_only || options->until_idle_ms > 0))
		return options_fail("--doctor goes with -c FILE only");
	if (options->file == NULL && !options->is_doctor)
		return options_fail("-c FILE is missing");
	return 0;
}

/* The doctor without a file looks at the needs of an empty configuration. */
static struct config *read_config(const struct options *options, struct diag *diag)
{
	if (options->file == NULL)
		return conf_read_text(modules, "", 0, diag);
	return conf_read_file(modules, options->file, diag);
}

static int run_doctor(const struct config *config)
{
	const struct doctor doctor = {
		.root = "",
		.config = config,
		.has_address = doctor_has_address,
		.out = stdout,
	};

	return doctor_run(&doctor);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct config *config;
	struct diag diag;
	int err, status = EXIT_BAD_USAGE;

	/*
	 * Small blocks that are freed are merged at once. Else they pile up until a large one is freed:
	 * after a million routes have gone, that is a pause of hundreds of milliseconds.
	 */
	mallopt(M_MXFAST, 0);
	err = options_parse(argc, argv, &options);
	if (err != 0)
		return err > 0 ? EXIT_SUCCESS : EXIT_BAD_USAGE;
	modules_extend();
	diag_init(&diag, options.file);
	config = read_config(&options, &diag);
	if (config != NULL && options.until_idle_ms > 0)
		daemon_check_until_idle(config, &diag);
	if (diag.n_entries > 0) {
		diag_print(&diag, stderr);
		goto out;
	}
	if (options.is_doctor)
		err = run_doctor(config);
	else if (!options.is_check_only)
		err = daemon_run(config, options.until_idle_ms);
	status = err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
out:
	conf_destroy(config);
	diag_fini(&diag);
	return status;
}
