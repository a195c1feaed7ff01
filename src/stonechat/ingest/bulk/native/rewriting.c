/* Lines that may not stay as they came: written with the columns' names as keys, and values as they stand in the body. */

#include "reader.h"

#include <string.h>

static uint8_t *put(uint8_t *to, const uint8_t *bytes, size_t size) {
    memcpy(to, bytes, size);
    return to + size;
}

static uint8_t *put_row(const struct reader *reader, uint8_t *to) {
    uint8_t before = '{';
    for (uint32_t index = 0; index < reader->plan->column_count; index++) {
        const struct value *value = &reader->values[index];
        const struct column *column = &reader->plan->columns[index];
        if (value->row != reader->row) continue;
        *to++ = before;
        to = put(to, column->label, column->label_size);
        to = put(to, value->text, value->text_size);
        before = ',';
    }
    if (before == '{') *to++ = before;
    *to++ = '}';
    *to++ = '\n';
    return to;
}

bool rewrite_line(struct reader *reader, const uint8_t *line, const uint8_t *next) {
    struct output *lines = &reader->lines;
    if (!append_bytes(lines, reader->written, (size_t)(line - reader->written))) return false;
    /* The values stand apart in the line; then a comma for each column, braces, and the end of the line. */
    size_t most = (size_t)(next - line) + reader->label_bytes + reader->plan->column_count + 3;
    uint8_t *to = output_room(lines, most);
    if (to == NULL) return false;
    lines->size += (size_t)(put_row(reader, to) - to);
    reader->written = next;
    return true;
}
