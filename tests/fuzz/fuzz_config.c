/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fuzz target: text of a configuration through the reader, the decoder and every check. What is
 * accepted must print its values and be decoded to the same again (schema_print()).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "app.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Prints every section's objects; the text must be readable again as that object. */
static void print_sections(const struct config *config)
{
	for (unsigned int i = 0; i < config->n_sections; i++) {
		const struct conf_section *cs = &config->sections[i];

		for (unsigned int j = 0; j < cs->n_objects; j++) {
			struct diag diag;
			struct node *node;
			void *again;
			char *text;
			size_t len;
			FILE *out = open_memstream(&text, &len);

			schema_print(out, cs->section->object, cs->objects[j], 0);
			fclose(out);
			diag_init(&diag, "printed");
			node = node_read_text(text, len, &diag);
			again = node == NULL ? NULL
					     : schema_decode(cs->section->object, node, "", &diag);
			if (again == NULL) {
				diag_print(&diag, stderr);
				abort();
			}
			schema_free(cs->section->object, again);
			node_destroy(node);
			diag_fini(&diag);
			free(text);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_extended;
	struct config *config;
	struct diag diag;

	if (!is_extended)
		modules_extend();
	is_extended = true;
	diag_init(&diag, "fuzz");
	config = conf_read_text(modules, (const char *)data, size, &diag);
	if (config != NULL)
		print_sections(config);
	else if (diag.n_entries == 0)
		abort(); /* refused without a reason */
	conf_destroy(config);
	diag_fini(&diag);
	return 0;
}
