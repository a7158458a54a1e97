/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Trees of settings from libconfig text and from JSON. Any single thread; nothing is kept.
 *
 * libconfig 1.5 wraps integers beyond 32 bits silently and reads other files at @include. So the
 * text is scanned once before: strings and comments are skipped by libconfig's own rules, what is
 * left is searched for the two. The scan decides nothing else; the grammar is libconfig's.
 */
#include "schema/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { FILE_MAX = 64 << 20, DEPTH_MAX = 64 };

static struct node *node_create(enum node_kind kind, const char *name, int line)
{
	struct node *node = mem_zalloc(sizeof(*node));

	node->kind = kind;
	node->line = line;
	node->name = name != NULL ? mem_strdup(name) : NULL;
	return node;
}

void node_destroy(struct node *node)
{
	struct node *next;

	for (; node != NULL; node = next) {
		next = node->next;
		node_destroy(node->child);
		if (node->kind == NODE_STRING)
			free(node->string);
		free(node->name);
		free(node);
	}
}

/* The scan before libconfig */

struct scan {
	const char *at, *end;
	int line;
	struct diag *diag;
};

static bool scan_starts(const struct scan *scan, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, word, len) == 0;
}

static void scan_line_comment(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at != '\n')
		scan->at++;
}

static void scan_block_comment(struct scan *scan)
{
	scan->at += 2;
	while (scan->at < scan->end && !scan_starts(scan, "*/"))
		if (*scan->at++ == '\n')
			scan->line++;
	scan->at = scan->at < scan->end ? scan->at + 2 : scan->end;
}

static void scan_string(struct scan *scan)
{
	scan->at++;
	while (scan->at < scan->end && *scan->at != '"') {
		if (*scan->at == '\n')
			scan->line++;
		if (*scan->at == '\\' && scan->at + 1 < scan->end)
			scan->at++;
		scan->at++;
	}
	if (scan->at < scan->end)
		scan->at++;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-' || c == '*' || c == '+' || c == '.';
}

/* A word that is an integer without L must fit 32 bits, or libconfig would wrap it. */
static void scan_word(struct scan *scan)
{
	const char *start = scan->at;
	char text[64], *end;
	size_t len;
	long long value;
	bool is_hex;

	while (scan->at < scan->end && is_word(*scan->at))
		scan->at++;
	len = (size_t)(scan->at - start);
	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	memcpy(text, start, len);
	text[len] = '\0';
	is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	errno = 0;
	value = strtoll(text, &end, is_hex ? 16 : 10);
	if (end == text)
		return;
	if ((*end == 'L' || *end == 'l') && errno == ERANGE)
		diag_error(scan->diag, scan->line, NULL, "%s does not fit 64 bits", text);
	if (*end != '\0')
		return; /* a name, a float, or with L */
	if (errno == ERANGE || value > (is_hex ? UINT32_MAX : INT32_MAX) || value < INT32_MIN)
		diag_error(scan->diag, scan->line, NULL,
			"integer %s is beyond 32 bits: write it with L at its end, or as a string",
			text);
}

static int scan_text(const char *text, size_t len, struct diag *diag)
{
	struct scan scan = { .at = text, .end = text + len, .line = 1, .diag = diag };
	unsigned int n_before = diag->n_entries;

	if (memchr(text, '\0', len) != NULL)
		return diag_error(diag, 0, NULL, "the text holds a zero byte");
	while (scan.at < scan.end) {
		if (*scan.at == '#' || scan_starts(&scan, "//")) {
			scan_line_comment(&scan);
		} else if (scan_starts(&scan, "/*")) {
			scan_block_comment(&scan);
		} else if (*scan.at == '"') {
			scan_string(&scan);
		} else if (*scan.at == '@') {
			diag_error(
				diag, scan.line, NULL, "@include: the configuration is one file");
			scan_line_comment(&scan);
		} else if (is_word(*scan.at)) {
			scan_word(&scan);
		} else if (*scan.at++ == '\n') {
			scan.line++;
		}
	}
	return diag->n_entries > n_before ? -EINVAL : 0;
}

/* libconfig */

static struct node *node_from_setting(const config_setting_t *setting, unsigned int depth)
{
	static const enum node_kind kinds[] = {
		[CONFIG_TYPE_NONE] = NODE_NULL,
		[CONFIG_TYPE_GROUP] = NODE_GROUP,
		[CONFIG_TYPE_INT] = NODE_INT,
		[CONFIG_TYPE_INT64] = NODE_INT,
		[CONFIG_TYPE_FLOAT] = NODE_FLOAT,
		[CONFIG_TYPE_STRING] = NODE_STRING,
		[CONFIG_TYPE_BOOL] = NODE_BOOL,
		[CONFIG_TYPE_ARRAY] = NODE_LIST,
		[CONFIG_TYPE_LIST] = NODE_LIST,
	};
	enum node_kind kind = kinds[config_setting_type(setting)];
	struct node *node = node_create(
		kind, config_setting_name(setting), (int)config_setting_source_line(setting));
	struct node **tail = &node->child;

	switch (kind) {
	case NODE_BOOL:
		node->boolean = config_setting_get_bool(setting) != 0;
		break;
	case NODE_INT:
		node->integer = config_setting_get_int64(setting);
		break;
	case NODE_FLOAT:
		node->real = config_setting_get_float(setting);
		break;
	case NODE_STRING:
		node->string = mem_strdup(config_setting_get_string(setting));
		break;
	case NODE_LIST:
	case NODE_GROUP:
		for (int i = 0; depth < DEPTH_MAX && i < config_setting_length(setting); i++) {
			*tail = node_from_setting(
				config_setting_get_elem(setting, (unsigned int)i), depth + 1);
			tail = &(*tail)->next;
		}
		break;
	case NODE_NULL:
		break;
	}
	return node;
}

/* How deep brackets nest: libconfig's parser and ours recurse, a file may not decide how far. */
static bool text_is_shallow(const char *text, size_t len)
{
	unsigned int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (strchr("([{", text[i]) != NULL && text[i] != '\0' && ++depth > DEPTH_MAX)
			return false;
		if (strchr(")]}", text[i]) != NULL && text[i] != '\0' && depth > 0)
			depth--;
	}
	return true;
}

struct node *node_read_text(const char *text, size_t len, struct diag *diag)
{
	struct node *root = NULL;
	config_t config;
	char *copy;

	if (len > FILE_MAX) {
		diag_error(diag, 0, NULL, "larger than %d MiB", FILE_MAX >> 20);
		return NULL;
	}
	if (scan_text(text, len, diag) < 0)
		return NULL;
	if (!text_is_shallow(text, len)) {
		diag_error(diag, 0, NULL, "brackets nest deeper than %d", DEPTH_MAX);
		return NULL;
	}
	copy = mem_zalloc(len + 1);
	memcpy(copy, text, len);
	config_init(&config);
	if (config_read_string(&config, copy) == CONFIG_TRUE)
		root = node_from_setting(config_root_setting(&config), 0);
	else
		diag_error(
			diag, config_error_line(&config), NULL, "%s", config_error_text(&config));
	config_destroy(&config);
	free(copy);
	return root;
}

/* The whole file; NULL with errno set. */
static char *file_read(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) != 0)
		goto out;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto out;
	}
	text = mem_zalloc((size_t)st.st_size + 1);
	*len = 0;
	while (*len < (size_t)st.st_size) {
		n = read(fd, text + *len, (size_t)st.st_size - *len);
		if (n < 0) {
			free(text);
			text = NULL;
			goto out;
		}
		if (n == 0)
			break;
		*len += (size_t)n;
	}
out:
	close(fd);
	return text;
}

struct node *node_read_file(const char *path, struct diag *diag)
{
	struct node *root;
	size_t len;
	char *text = file_read(path, &len);

	if (text == NULL) {
		diag_error(diag, 0, NULL, "cannot read: %s", strerror(errno));
		return NULL;
	}
	root = node_read_text(text, len, diag);
	free(text);
	return root;
}

/* JSON */

static struct node *node_from_json_at(const json_t *json, const char *name, unsigned int depth)
{
	struct node *node = node_create(NODE_NULL, name, 0), **tail = &node->child;
	const char *key;
	json_t *value;
	size_t i;

	if (depth > DEPTH_MAX)
		return node;
	switch (json_typeof(json)) {
	case JSON_TRUE:
	case JSON_FALSE:
		node->kind = NODE_BOOL;
		node->boolean = json_is_true(json);
		break;
	case JSON_INTEGER:
		node->kind = NODE_INT;
		node->integer = json_integer_value(json);
		break;
	case JSON_REAL:
		node->kind = NODE_FLOAT;
		node->real = json_real_value(json);
		break;
	case JSON_STRING:
		node->kind = NODE_STRING;
		node->string = mem_strdup(json_string_value(json));
		break;
	case JSON_ARRAY:
		node->kind = NODE_LIST;
		json_array_foreach(json, i, value) {
			*tail = node_from_json_at(value, NULL, depth + 1);
			tail = &(*tail)->next;
		}
		break;
	case JSON_OBJECT:
		node->kind = NODE_GROUP;
		json_object_foreach((json_t *)(uintptr_t)json, key, value) {
			*tail = node_from_json_at(value, key, depth + 1);
			tail = &(*tail)->next;
		}
		break;
	case JSON_NULL:
		break;
	}
	return node;
}

struct node *node_from_json(const json_t *json)
{
	return node_from_json_at(json, NULL, 0);
}

/* Looking around */

const struct node *node_child(const struct node *group, const char *name)
{
	if (group == NULL || group->kind != NODE_GROUP)
		return NULL;
	for (const struct node *child = group->child; child != NULL; child = child->next)
		if (child->name != NULL && strcmp(child->name, name) == 0)
			return child;
	return NULL;
}

static const struct node *node_item(const struct node *list, unsigned long i)
{
	const struct node *item = list->kind == NODE_LIST ? list->child : NULL;

	while (item != NULL && i-- > 0)
		item = item->next;
	return item;
}

int node_line(const struct node *root, const char *path)
{
	const struct node *node = root, *next;
	int line = root != NULL ? root->line : 0;
	char name[128];
	size_t len;

	while (node != NULL && *path != '\0') {
		if (*path == '[') {
			next = node_item(node, strtoul(path + 1, NULL, 10));
			path += strcspn(path, "]");
			path += *path == ']';
		} else {
			path += *path == '.';
			len = strcspn(path, ".[");
			snprintf(name, sizeof(name), "%.*s", (int)len, path);
			next = node_child(node, name);
			path += len;
		}
		if (next != NULL && next->line > 0)
			line = next->line;
		node = next;
	}
	return line;
}
