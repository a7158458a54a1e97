/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * See top_draw.h. Four tables below each other, from tables of columns. On a screen that is too
 * small for all rows each table gets its share of the lines, and says how many it does not show.
 */
#include "top_draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "path.h"
#include "text.h"

enum { SECTION_EXTRA_LINES = 2 }; /* the head of a table, the blank line above it */

enum cell_kind { CELL_TEXT, CELL_RATE, CELL_TENTHS };

struct cell {
	const char *title; /* NULL closes the list */
	const char *key;
	int width; /* negative: to the left */
	enum cell_kind kind;
};

struct section {
	const char *key;
	const struct cell *cells;
};

static const struct cell link_cells[] = {
	{ "LINK", "ifname", -15, CELL_TEXT },
	{ "STATE", "operstate", -5, CELL_TEXT },
	{ "RX PPS", "rx_pps", 8, CELL_RATE },
	{ "RX BIT/S", "rx_bps", 9, CELL_RATE },
	{ "DROP/S", "rx_drops", 7, CELL_RATE },
	{ "TX PPS", "tx_pps", 8, CELL_RATE },
	{ "TX BIT/S", "tx_bps", 9, CELL_RATE },
	{ "DROP/S", "tx_drops", 7, CELL_RATE },
	{ NULL },
};

static const struct cell worker_cells[] = {
	{ "WORKER", "worker", 6, CELL_TEXT },
	{ "CPU", "cpu", 4, CELL_TEXT },
	{ "BUSY%", "busy_percent", 6, CELL_TENTHS },
	{ "PPS", "pps", 8, CELL_RATE },
	{ "CYCLES/PACKET", "cycles_per_packet", 13, CELL_TENTHS },
	{ "HELD", "held", 7, CELL_TEXT },
	{ "INJECT", "inject_queue", 7, CELL_TEXT },
	{ "QUEUES", "queues", -6, CELL_TEXT },
	{ NULL },
};

static const struct cell drop_cells[] = {
	{ "DROP REASON", "reason", -24, CELL_TEXT },
	{ "STAGE", "node", -16, CELL_TEXT },
	{ "PPS", "pps", 8, CELL_RATE },
	{ "PACKETS", "packets", 14, CELL_TEXT },
	{ NULL },
};

static const struct cell stage_cells[] = {
	{ "STAGE", "node", -24, CELL_TEXT },
	{ "SHARE%", "share_percent", 7, CELL_TENTHS },
	{ "PPS", "pps", 8, CELL_RATE },
	{ "CYCLES/PACKET", "cycles_per_packet", 13, CELL_TENTHS },
	{ NULL },
};

static const struct section sections[] = {
	{ "links", link_cells },
	{ "workers", worker_cells },
	{ "drops", drop_cells },
	{ "stages", stage_cells },
};

enum { N_SECTIONS = sizeof(sections) / sizeof(sections[0]) };

/* Cells */

/* Four significant digits at most: "998", "12.3k", "1.49G". */
static char *rate_text(double value)
{
	static const char units[] = " kMGT";
	unsigned int unit = 0;

	if (value < 9999.5)
		return mem_printf(value > 0 && value < 9.95 ? "%.1f" : "%.0f", value);
	while (value >= 999.5 && units[unit + 1] != '\0') {
		value /= 1000;
		unit++;
	}
	return mem_printf("%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
}

static char *cell_text(const json_t *row, const struct cell *cell)
{
	const json_t *value = json_object_get(row, cell->key);
	char *text = NULL;

	switch (cell->kind) {
	case CELL_RATE:
		return rate_text(json_number_value(value));
	case CELL_TENTHS:
		return mem_printf("%.1f", json_number_value(value));
	case CELL_TEXT:
		text = path_text(value, "");
	}
	return text != NULL ? text : mem_strdup("-");
}

/* Lines */

static char *padded(char *line, const char *text, int width)
{
	int pad = abs(width) - (int)text_width(text);
	char *longer;

	pad = pad > 0 ? pad : 0;
	longer = mem_printf("%s%s%*s%s%*s", line, line[0] != '\0' ? " " : "", width > 0 ? pad : 0,
		"", text, width > 0 ? 0 : pad, "");
	free(line);
	return longer;
}

static char *row_text(const struct cell *cells, const json_t *row)
{
	char *line = mem_strdup("");

	for (const struct cell *cell = cells; cell->title != NULL; cell++) {
		char *text = row != NULL ? cell_text(row, cell) : mem_strdup(cell->title);

		line = padded(line, text, cell->width);
		free(text);
	}
	return line;
}

/* Cuts at the edge of the screen. Steals line. */
static void put_line(FILE *out, const struct page *page, char *line, const char *style)
{
	char *end = line;
	size_t width = 0;

	for (; *end != '\0'; end++) {
		width += ((unsigned char)*end & 0xc0) != 0x80;
		if (page->columns > 0 && width > page->columns)
			break;
	}
	*end = '\0';
	if (page->lines > 0)
		fprintf(out, "%s%s\033[m\033[K\n", style, line);
	else
		fprintf(out, "%s\n", line);
	free(line);
}

static void put_section(FILE *out, const struct page *page, const struct section *section,
	const json_t *rows, size_t n_shown)
{
	size_t n = json_array_size(rows);
	char *head = row_text(section->cells, NULL);

	put_line(out, page, mem_strdup(""), "");
	if (n_shown < n) {
		char *longer = mem_printf("%s  (%zu of %zu)", head, n_shown, n);

		free(head);
		head = longer;
	}
	put_line(out, page, head, "\033[7m");
	for (size_t i = 0; i < n_shown; i++)
		put_line(out, page, row_text(section->cells, json_array_get(rows, i)), "");
}

void top_draw(FILE *out, const json_t *rates, const struct page *page)
{
	size_t extra = 2 + N_SECTIONS * SECTION_EXTRA_LINES;
	size_t left = page->lines > extra ? page->lines - extra : 0;

	if (page->lines > 0)
		fputs("\033[H", out);
	put_line(out, page,
		mem_printf("weir: rates of the last %.1f s%s",
			json_number_value(json_object_get(rates, "period")),
			page->lines > 0 ? "   q ends" : ""),
		"\033[1m");
	for (unsigned int i = 0; i < N_SECTIONS; i++) {
		const json_t *rows = json_object_get(rates, sections[i].key);
		size_t n = json_array_size(rows), share = left / (N_SECTIONS - i);

		if (page->lines > 0 && n > share)
			n = share;
		left -= n < left ? n : left;
		put_section(out, page, &sections[i], rows, n);
	}
	if (page->lines > 0)
		fputs("\033[J", out);
}
