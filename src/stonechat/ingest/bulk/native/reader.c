/* The lines of a body, one event each. */

#include "reader.h"

#include <stdlib.h>
#include <string.h>

struct body {
    const uint8_t *text;
    size_t size;
    size_t longest_row;
    size_t most_bytes; /* that its rows may have */
    size_t most_line_bytes;
};

/* A field at the top that no column is fed from. */
struct stranger {
    const uint8_t *name; /* in the body */
    uint64_t size;
    uint64_t rows; /* that have it */
};

struct rows {
    uint8_t *data;
    uint8_t *lines; /* NULL: those of the body */
    struct stranger *strangers;
    size_t size;
    size_t line_bytes;
    uint64_t stranger_count;
    uint64_t count;
};

/* Writes the row that begins there again: each column in its place, and those without a value too. */
static bool arrange(struct reader *reader, size_t begin) {
    struct output *output = &reader->output, *spare = &reader->spare;
    spare->size = 0;
    if (!append_bytes(spare, output->data + begin, output->size - begin)) return false;
    output->size = begin;
    for (uint32_t index = 0; index < reader->plan->column_count; index++) {
        const struct value *value = &reader->values[index];
        bool written = value->row == reader->row
                           ? append_bytes(output, spare->data + (value->begin - begin), value->size)
                           : write_null(reader, reader->plan->columns[index].traits, true);
        if (!written) return false;
    }
    return true;
}

static bool read_row(struct reader *reader, const uint8_t **at) {
    size_t begin = reader->output.size;
    reader->row++;
    reader->met = 0;
    reader->in_order = true;
    reader->is_changed = false;
    if (!read_event(reader, at)) return false;
    return (reader->in_order && reader->met == reader->plan->column_count) || arrange(reader, begin);
}

/* Every line is one event. Blank ones are left to others, who take them out: lines that are kept are all rows. */
static bool read_lines(struct reader *reader, const struct body *body) {
    const uint8_t *at = body->text;
    while (at < reader->end) {
        const uint8_t *line = at;
        at = skip_space(at);
        if (!read_row(reader, &at)) return false;
        at = skip_space(at);
        if ((size_t)(at - line) > body->longest_row) return false;
        if (at < reader->end && *at++ != '\n') return false;
        if ((reader->plan->renames || reader->is_changed) && !rewrite_line(reader, line, at)) return false;
    }
    if (reader->lines.data == NULL || reader->written == reader->end) return true;
    return append_bytes(&reader->lines, reader->written, (size_t)(reader->end - reader->written)) &&
           (reader->end[-1] == '\n' || append_byte(&reader->lines, '\n'));
}

static bool prepare(struct reader *reader, const struct body *body) {
    const struct plan *plan = reader->plan;
    reader->output.limit = reader->spare.limit = body->most_bytes;
    reader->lines.limit = body->most_line_bytes;
    reader->values = calloc((size_t)plan->column_count, sizeof *reader->values);
    reader->nodes = calloc((size_t)plan->field_count + MOST_STRANGERS, sizeof *reader->nodes);
    if (reader->values == NULL || reader->nodes == NULL) return false;
    for (uint32_t index = 0; index < plan->field_count; index++) {
        struct node *node = &reader->nodes[index];
        node->field = plan->fields[index];
        node->leader = node->field.first;
        node->follower = index + 1;
    }
    for (uint32_t index = 0; index < plan->column_count; index++)
        reader->label_bytes += plan->columns[index].label_size;
    return output_room(&reader->output, body->size / 2 + 1) != NULL;
}

/* What became of the body; false if there is no memory to tell of strangers. */
static bool hand_over(const struct reader *reader, struct rows *rows) {
    struct stranger *strangers = calloc((size_t)reader->strangers + 1, sizeof *strangers);
    if (strangers == NULL) return false;
    for (uint32_t index = 0; index < reader->strangers; index++) {
        const struct node *node = &reader->nodes[reader->plan->field_count + index];
        strangers[index] =
            (struct stranger){.name = node->field.key, .size = node->field.key_size, .rows = node->rows};
    }
    *rows = (struct rows){
        .data = reader->output.data,
        .lines = reader->lines.data,
        .strangers = strangers,
        .size = reader->output.size,
        .line_bytes = reader->lines.size,
        .stranger_count = reader->strangers,
        .count = reader->row,
    };
    return true;
}

/* Reads a body into rows. Returns whether every event fits; the rows then go by `bulk_free`. */
__attribute__((visibility("default"))) bool bulk_read(const struct plan *plan, const struct body *body,
                                                      struct rows *rows) {
    struct reader reader = {.plan = plan, .end = body->text + body->size, .written = body->text};
    bool fits = prepare(&reader, body) && read_lines(&reader, body) && hand_over(&reader, rows);
    free(reader.values);
    free(reader.nodes);
    free(reader.spare.data);
    if (!fits) {
        free(reader.output.data);
        free(reader.lines.data);
    }
    return fits;
}

__attribute__((visibility("default"))) void bulk_free(struct rows *rows) {
    free(rows->data);
    free(rows->lines);
    free(rows->strangers);
}
