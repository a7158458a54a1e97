/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Stands in for the compiler's own <immintrin.h>, which DPDK's headers include, where nothing beyond AVX2 can be used:
 * reading the rest of it takes more than half of the time of a build. The names of the guards are those that the
 * compilers' headers insist on.
 */
#define _IMMINTRIN_H_INCLUDED /* gcc */
#define __IMMINTRIN_H	      /* clang */

#include <mmintrin.h>
#include <xmmintrin.h>
#include <emmintrin.h>
#include <pmmintrin.h>
#include <tmmintrin.h>
#include <smmintrin.h>
#include <wmmintrin.h>
#include <avxintrin.h>
#include <avx2intrin.h>
#include <x86gprintrin.h>
