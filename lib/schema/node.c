/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Trees of settings from libconfig text and from JSON. Any single thread; nothing is kept.
 *
 * libconfig 1.5 wraps integers beyond 32 bits silently, drops zero bytes of strings, reads other
 * files at @include, takes a comment that never ends, stops at the first duplicate key without
 * naming it and needs quadratic time for large groups. So the text is scanned once before, cut into
 * tokens by the rules of libconfig's lexer, and all that is refused, with line and path. Whether
 * tokens make sense in their order is libconfig's to say, on what the scan let pass.
 *
 * All strings of a tree are UTF-8 without a zero byte, whatever the input was.
 */
#include "schema/node.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum {
	FILE_MAX = 64 << 20,
	DEPTH_MAX = 64,
	GROUP_MAX = 256, /* settings in one group; object_head.given counts 64 */
};

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

#define DIGITS	   "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"
#define LETTERS	   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_STRING, TOKEN_MARK };

struct token {
	enum token_kind kind;
	int line;
	const char *text;
	size_t len;
};

/* An open bracket. */
struct frame {
	char bracket;		 /* '{', also for the top level, '(' or '[' */
	unsigned int index;	 /* of the current item of a list */
	unsigned int first_name; /* of a group, in scan.names */
	struct token key;	 /* of the current setting of a group */
};

struct scan {
	const char *at;
	int line;
	struct diag *diag;
	struct frame frames[DEPTH_MAX + 1];
	unsigned int depth;
	struct token *names; /* keys of all open groups, those of the innermost last */
	unsigned int n_names;
};

/* A problem where the scan is, with the path of it. */
static void scan_error(const struct scan *scan, int line, const char *text)
{
	char *path = NULL;
	size_t len;
	FILE *out = open_memstream(&path, &len);

	for (unsigned int i = 0; i <= scan->depth; i++) {
		const struct frame *frame = &scan->frames[i];

		if (frame->bracket != '{')
			fprintf(out, "[%u]", frame->index);
		else if (frame->key.len > 0)
			fprintf(out, "%s%.*s", i > 0 ? "." : "", (int)frame->key.len,
				frame->key.text);
	}
	fclose(out);
	diag_error(scan->diag, line, path, "%s", text);
	free(path);
}

/* Moves on to a place further down and counts the lines up to it. */
static void scan_move(struct scan *scan, const char *to)
{
	for (; scan->at < to; scan->at++)
		scan->line += *scan->at == '\n';
}

/* Tokens */

static void skip_comment(struct scan *scan)
{
	const char *end = strstr(scan->at + 2, "*/");

	if (end == NULL)
		diag_error(scan->diag, scan->line, NULL, "the comment is not closed");
	scan_move(scan, end != NULL ? end + 2 : strchr(scan->at, '\0'));
}

static void skip_blanks(struct scan *scan)
{
	while (*scan->at != '\0') {
		if (strchr(" \t\r\f\n", *scan->at) != NULL)
			scan_move(scan, scan->at + 1);
		else if (scan->at[0] == '#' || (scan->at[0] == '/' && scan->at[1] == '/'))
			scan->at += strcspn(scan->at, "\n");
		else if (scan->at[0] == '/' && scan->at[1] == '*')
			skip_comment(scan);
		else
			return;
	}
}

/* Is this a \xNN whose byte libconfig drops (0) or that could break UTF-8, which was checked? */
static bool is_bad_escape(const char *at)
{
	return at[0] == '\\' && (at[1] == 'x' || at[1] == 'X') && strspn(at + 2, HEX_DIGITS) >= 2 &&
	       (strncmp(at + 2, "00", 2) == 0 || strchr("01234567", at[2]) == NULL);
}

static void scan_string(struct scan *scan)
{
	int line = scan->line;

	scan->at++;
	while (*scan->at != '"' && *scan->at != '\0') {
		if (is_bad_escape(scan->at))
			scan_error(scan, scan->line, "\\x00 and \\x80 to \\xff are not allowed");
		if (*scan->at == '\\' && scan->at[1] != '\0')
			scan->at++;
		scan_move(scan, scan->at + 1);
	}
	if (*scan->at == '"')
		scan->at++;
	else
		scan_error(scan, line, "the string is not closed");
}

static const char *skip_exponent(const char *at)
{
	const char *digits = at + 1;

	if (*at != 'e' && *at != 'E')
		return at;
	digits += *digits == '+' || *digits == '-';
	return strspn(digits, DIGITS) > 0 ? digits + strspn(digits, DIGITS) : at;
}

/* The longest number at this place, as libconfig's lexer takes it; at itself when there is none. */
static const char *skip_number(const char *at)
{
	const char *digits = at + (*at == '+' || *at == '-');
	const char *end = digits + strspn(digits, DIGITS);

	if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X') && strspn(at + 2, HEX_DIGITS) > 0)
		return at + 2 + strspn(at + 2, HEX_DIGITS "L");
	if (*end == '.')
		return skip_exponent(end + 1 + strspn(end + 1, DIGITS));
	if (end == digits)
		return at;
	return skip_exponent(end) != end ? skip_exponent(end) : end + strspn(end, "L");
}

static struct token token_next(struct scan *scan)
{
	struct token token = { .kind = TOKEN_MARK };

	skip_blanks(scan);
	token.text = scan->at;
	token.line = scan->line;
	if (*scan->at == '\0') {
		token.kind = TOKEN_END;
	} else if (*scan->at == '"') {
		token.kind = TOKEN_STRING;
		scan_string(scan);
	} else if (strspn(scan->at, LETTERS "*") > 0) {
		token.kind = TOKEN_NAME;
		scan->at += strspn(scan->at, LETTERS DIGITS "-_*");
	} else if (skip_number(scan->at) > scan->at) {
		token.kind = TOKEN_NUMBER;
		scan->at = skip_number(scan->at);
	} else {
		scan->at++;
	}
	token.len = (size_t)(scan->at - token.text);
	return token;
}

/* What tokens mean */

/* An integer must fit the 32 bits that libconfig keeps, or with L 64. Floats pass. */
static void scan_number(const struct scan *scan, const struct token *token)
{
	bool is_hex = token->len > 2 && (token->text[1] == 'x' || token->text[1] == 'X');
	bool is_negative = *token->text == '-';
	const char *digits = token->text + (is_negative || *token->text == '+');
	char *end, *text;
	uint64_t value = strtoull(digits, &end, is_hex ? 16 : 10); /* the largest when too large */
	bool is_long = end < token->text + token->len && *end == 'L';
	uint64_t max = (is_long ? (uint64_t)INT64_MAX : INT32_MAX) + is_negative;
	int len = token->len > 40 ? 40 : (int)token->len;

	if ((end < token->text + token->len && !is_long) || value <= max)
		return;
	text = is_long ? mem_printf("%.*s does not fit 64 bits", len, token->text)
		       : mem_printf("integer %.*s is beyond 32 bits: write it with L at its end, "
				    "or as a string",
				 len, token->text);
	scan_error(scan, token->line, text);
	free(text);
}

/* A key and its '='. */
static void scan_key(struct scan *scan, const struct token *name)
{
	struct frame *frame = &scan->frames[scan->depth];
	char *text;

	frame->key = *name;
	for (unsigned int i = frame->first_name; i < scan->n_names; i++) {
		const struct token *other = &scan->names[i];

		if (other->len != name->len || memcmp(other->text, name->text, name->len) != 0)
			continue;
		text = mem_printf("is a duplicate of the one in line %d", other->line);
		scan_error(scan, name->line, text);
		free(text);
		return;
	}
	if (scan->n_names - frame->first_name == GROUP_MAX) {
		scan_error(scan, name->line, "is one too many: no group has that many settings");
		scan->at = strchr(scan->at, '\0'); /* what follows could only mislead */
		return;
	}
	/* Room for the group's next settings is made when the last lot is full. */
	if (scan->n_names % GROUP_MAX == 0)
		scan->names =
			mem_realloc(scan->names, scan->n_names + GROUP_MAX, sizeof(*scan->names));
	scan->names[scan->n_names++] = *name;
}

static void scan_mark(struct scan *scan, const struct token *mark, const struct token *before)
{
	struct frame *frame = &scan->frames[scan->depth];

	if (strchr("{([", *mark->text) != NULL) {
		if (scan->depth == DEPTH_MAX) {
			diag_error(scan->diag, mark->line, NULL, "brackets nest deeper than %d",
				DEPTH_MAX);
			scan->at = strchr(scan->at, '\0'); /* what follows could only mislead */
			return;
		}
		scan->frames[++scan->depth] =
			(struct frame){ .bracket = *mark->text, .first_name = scan->n_names };
	} else if (strchr("})]", *mark->text) != NULL && scan->depth > 0) {
		scan->n_names = frame->first_name;
		scan->depth--;
	} else if (*mark->text == ',') {
		frame->index++;
	} else if (*mark->text == '@') {
		diag_error(scan->diag, mark->line, NULL, "@include: the configuration is one file");
	} else if (strchr("=:", *mark->text) != NULL && frame->bracket == '{' &&
		   before->kind == TOKEN_NAME) {
		scan_key(scan, before);
	}
}

/* text ends in a NUL. */
static int scan_text(const char *text, struct diag *diag)
{
	struct scan *scan = mem_zalloc(sizeof(*scan));
	unsigned int n_before = diag->n_entries;
	struct token before = { .kind = TOKEN_END };
	struct token token;

	*scan = (struct scan){ .at = text, .line = 1, .diag = diag };
	scan->frames[0].bracket = '{';
	while ((token = token_next(scan)).kind != TOKEN_END) {
		if (token.kind == TOKEN_NUMBER)
			scan_number(scan, &token);
		else if (token.kind == TOKEN_MARK)
			scan_mark(scan, &token, &before);
		before = token;
	}
	free(scan->names);
	free(scan);
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

/* The line of the first byte that is not UTF-8; 0: there is none. */
static int text_bad_utf8(const char *text, size_t len)
{
	json_t *json = json_stringn(text, len);
	int line = 0;

	/* A line never ends within a character, so that each can be tried alone. */
	for (const char *end = text + len; json == NULL && text < end; line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_len = (size_t)((newline != NULL ? newline + 1 : end) - text);
		json_t *line_json = json_stringn(text, line_len);

		if (line_json == NULL)
			return line + 1;
		json_decref(line_json);
		text += line_len;
	}
	json_decref(json);
	return 0;
}

/* text was scanned and ends in a newline. */
static struct node *text_parse(const char *text, struct diag *diag)
{
	struct node *root = NULL;
	int line, n_lines = 0;
	config_t config;

	config_init(&config);
	if (config_read_string(&config, text) == CONFIG_TRUE) {
		root = node_from_setting(config_root_setting(&config), 0);
	} else {
		/* An error at the very end is one line past it for libconfig. */
		for (const char *at = strchr(text, '\n'); at != NULL; at = strchr(at + 1, '\n'))
			n_lines++;
		line = config_error_line(&config);
		diag_error(diag, line < n_lines ? line : n_lines, NULL, "%s",
			config_error_text(&config));
	}
	config_destroy(&config);
	return root;
}

struct node *node_read_text(const char *text, size_t len, struct diag *diag)
{
	struct node *root = NULL;
	char *copy;
	int line;

	if (len > FILE_MAX) {
		diag_error(diag, 0, NULL, "larger than %d MiB", FILE_MAX >> 20);
		return NULL;
	}
	if (memchr(text, '\0', len) != NULL) {
		diag_error(diag, 0, NULL, "the text holds a zero byte");
		return NULL;
	}
	line = text_bad_utf8(text, len);
	if (line > 0) {
		diag_error(diag, line, NULL, "holds a byte that is not UTF-8");
		return NULL;
	}
	/* libconfig takes no comment in a last line that does not end. */
	copy = mem_printf("%.*s\n", (int)len - (len > 0 && text[len - 1] == '\n'), text);
	if (scan_text(copy, diag) == 0)
		root = text_parse(copy, diag);
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
		/* What is no file could keep the control thread waiting; ENOTSUP says "not supported". */
		errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : ENOTSUP;
		goto out;
	}
	text = mem_zalloc((size_t)st.st_size + 1);
	*len = 0;
	while (*len < (size_t)st.st_size) {
		n = read(fd, text + *len, (size_t)st.st_size - *len);
		if (n < 0 && errno == EINTR)
			continue;
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

/* A zero byte becomes one that no setting takes: what stands behind it must not get lost. */
static char *json_text(const json_t *json)
{
	size_t len = json_string_length(json);
	char *text = mem_zalloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = json_string_value(json)[i] != '\0' ? json_string_value(json)[i] : '\x01';
	return text;
}

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
		node->string = json_text(json);
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
