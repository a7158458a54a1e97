/* SPDX-License-Identifier: BSD-3-Clause */
#include "suite.h"

#include "flow/tcp_track.h"
START_TEST(x){ck_assert(1);}END_TEST
SUITE_MAIN("tcp_track", PLAIN_TEST(x))
