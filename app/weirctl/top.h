/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * `top`: rates of the last period, on the whole screen until `q` or ^C, or once where the output is
 * no terminal or is to be JSON. -w sets the period.
 */
#include "weirctl.h"

enum exit_code top_run(struct session *session, char *const *words, int n);
