/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The page of `top` as text. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

struct page {
	size_t columns, lines; /* of the screen; 0: as many as it takes */
};

/* Prints the rates of rates_between(). With a screen: in place, each line cleared to its end. */
void top_draw(FILE *out, const json_t *rates, const struct page *page);
