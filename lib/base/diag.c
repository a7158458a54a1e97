/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Collects what is wrong with a configuration file or a request, so that the operator hears of all
 * problems at once. Filled by the readers and validators of a change, printed or sent back by the
 * one who started it; all on that one thread, a diag is never shared.
 *
 * Entries are kept as they come and sorted when told: a validator that runs after the parser finds
 * problems further up in the file. Names taken from the input may hold anything, control characters
 * become '?' so that a problem stays on its line.
 */
#include "base/diag.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void text_clean(char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 0x7f)
			*text = '?';
	}
}

static struct diag_entry *entry_append(struct diag *diag)
{
	unsigned int n = diag->n_entries;

	/* Room doubles whenever n reaches a power of two, which spares a field for it. */
	if ((n & (n - 1)) == 0)
		diag->entries = mem_realloc(
			diag->entries, n > 0 ? (size_t)n * 2 : 1, sizeof(*diag->entries));
	diag->n_entries++;
	return &diag->entries[n];
}

/* "FILE:LINE: path: text" without the parts that are not known. */
static char *entry_text(const struct diag *diag, const struct diag_entry *entry)
{
	const char *file = diag->file != NULL ? diag->file : "";
	const char *colon = entry->path[0] != '\0' ? ": " : "";

	if (entry->line > 0)
		return mem_printf("%s%s%d: %s%s%s", file, diag->file != NULL ? ":" : "line ",
			entry->line, entry->path, colon, entry->text);
	return mem_printf("%s%s%s%s%s", file, diag->file != NULL ? ": " : "", entry->path, colon,
		entry->text);
}

static int entry_compare(const void *a, const void *b)
{
	const struct diag_entry *const *left = a;
	const struct diag_entry *const *right = b;

	if ((*left)->line != (*right)->line)
		return (*left)->line < (*right)->line ? -1 : 1;
	/* Those of one line stay in the order they were found: qsort(3) promises none. */
	return (*left > *right) - (*left < *right);
}

static const struct diag_entry **entries_sorted(const struct diag *diag)
{
	const struct diag_entry **sorted = mem_realloc(NULL, diag->n_entries, sizeof(*sorted));

	for (unsigned int i = 0; i < diag->n_entries; i++)
		sorted[i] = &diag->entries[i];
	qsort(sorted, diag->n_entries, sizeof(*sorted), entry_compare);
	return sorted;
}

void diag_init(struct diag *diag, const char *file)
{
	*diag = (struct diag){ .file = file };
}

void diag_fini(struct diag *diag)
{
	for (unsigned int i = 0; i < diag->n_entries; i++) {
		free(diag->entries[i].path);
		free(diag->entries[i].text);
	}
	free(diag->entries);
	*diag = (struct diag){ 0 };
}

int diag_error(struct diag *diag, int line, const char *path, const char *fmt, ...)
{
	struct diag_entry entry = { .line = line > 0 ? line : 0 };
	va_list args;

	va_start(args, fmt);
	/* Only a broken format or want of memory ends here; the problem itself must not be lost. */
	if (vasprintf(&entry.text, fmt, args) < 0)
		entry.text = mem_strdup("is not valid");
	va_end(args);
	entry.path = mem_strdup(path != NULL ? path : "");
	text_clean(entry.text);
	text_clean(entry.path);
	*entry_append(diag) = entry;
	return -EINVAL;
}

void diag_print(const struct diag *diag, FILE *out)
{
	const struct diag_entry **sorted = entries_sorted(diag);

	for (unsigned int i = 0; i < diag->n_entries; i++) {
		char *text = entry_text(diag, sorted[i]);

		fprintf(out, "%s\n", text);
		free(text);
	}
	free(sorted);
}

char *diag_text(const struct diag *diag)
{
	const struct diag_entry **sorted = entries_sorted(diag);
	char *all = mem_strdup("");
	size_t len = 0;

	for (unsigned int i = 0; i < diag->n_entries; i++) {
		char *text = entry_text(diag, sorted[i]);
		const char *joint = i > 0 ? "; " : "";
		size_t more = strlen(joint) + strlen(text);

		all = mem_realloc(all, len + more + 1, 1);
		stpcpy(stpcpy(all + len, joint), text);
		len += more;
		free(text);
	}
	free(sorted);
	return all;
}
