/* Lines that may not stay as they came: written with the columns' names as keys, and values as they stand in the body,
 * where that is a form of the column. */

#include "reader.h"

#include <string.h>

static uint8_t *put(uint8_t *to, const uint8_t *bytes, size_t size) {
    memcpy(to, bytes, size);
    return to + size;
}

/* As a string of JSON. What it may hold are the bytes of a value, whose strings have no control characters. */
static uint8_t *put_quoted(uint8_t *to, const uint8_t *bytes, size_t size) {
    *to++ = '"';
    for (const uint8_t *at = bytes; at < bytes + size; at++) {
        bool is_space = *at == '\t' || *at == '\r';
        if (is_space || *at == '"' || *at == '\\') *to++ = '\\';
        *to++ = is_space ? (*at == '\t' ? 't' : 'r') : *at;
    }
    *to++ = '"';
    return to;
}

static uint8_t *put_row(const struct reader *reader, uint8_t *to) {
    uint8_t before = '{';
    for (uint32_t index = 0; index < reader->plan->column_count; index++) {
        const struct value *value = &reader->values[index];
        const struct column *column = &reader->plan->columns[index];
        if (value->row != reader->row) continue;
        *to++ = before;
        to = put(to, column->label, column->label_size);
        if (value->is_quoted) to = put_quoted(to, value->text, value->text_size);
        else to = put(to, value->text, value->text_size);
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
    /* The values stand apart in the line. Each may take an escape for every byte, four bytes more (false for 0), and a
     * comma; then there are braces, and the end of the line. */
    size_t most = 2 * (size_t)(next - line) + reader->label_bytes + 5 * (size_t)reader->plan->column_count + 3;
    uint8_t *to = output_room(lines, most);
    if (to == NULL) return false;
    lines->size += (size_t)(put_row(reader, to) - to);
    reader->written = next;
    return true;
}
