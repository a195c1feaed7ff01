/* Values in another form than that of their column, as the door's lenient reading takes them (../../events.py). Their
 * lines get another text, which the engine takes as the same value. */

#include "reader.h"

static bool convert_to_string(struct reader *reader, const uint8_t **at, struct value *value) {
    const uint8_t *begin = *at;
    if (*begin == '"' || !skip_value(at, reader->end)) return false;
    value->text_size = (size_t)(*at - begin);
    value->is_quoted = true;
    size_t head = length_size(value->text_size);
    uint8_t *to = output_room(&reader->output, head);
    if (to == NULL) return false;
    write_length(to, value->text_size);
    reader->output.size += head;
    return append_bytes(&reader->output, begin, value->text_size);
}

static void replace_text(struct value *value, const char *text, size_t size) {
    value->text = (const uint8_t *)text;
    value->text_size = size;
}

static bool convert_to_boolean(struct reader *reader, const uint8_t **at, struct value *value) {
    bool is_quoted = **at == '"', is_true;
    *at += is_quoted;
    if (**at == '0' || **at == '1') is_true = *(*at)++ == '1';
    else if (!is_quoted || !skip_word(at, (is_true = **at == 't') ? "true" : "false")) return false;
    if (is_quoted && *(*at)++ != '"') return false;
    if (is_true) replace_text(value, "true", 4);
    else replace_text(value, "false", 5);
    return append_byte(&reader->output, is_true);
}

static bool convert_to_number(struct reader *reader, const uint8_t **at, const struct column *column,
                              struct value *value) {
    struct output *output = &reader->output;
    if (**at == '"') {
        const uint8_t *begin = ++*at;
        bool is_read = column->kind == KIND_FLOAT
                           ? read_float(at, column->width, output)
                           : read_integer(at, column->width, column->kind == KIND_SIGNED, output);
        value->text = begin;
        value->text_size = (size_t)(*at - begin);
        return is_read && *(*at)++ == '"';
    }
    bool is_true = **at == 't';
    if (column->kind == KIND_FLOAT || !skip_word(at, is_true ? "true" : "false")) return false;
    replace_text(value, is_true ? "1" : "0", 1);
    return append_number(output, is_true, column->width);
}

bool convert_value(struct reader *reader, const uint8_t **at, const struct column *column, struct value *value) {
    reader->is_changed = true;
    switch (column->kind) {
    case KIND_STRING: return convert_to_string(reader, at, value);
    case KIND_BOOLEAN: return convert_to_boolean(reader, at, value);
    case KIND_SIGNED:
    case KIND_UNSIGNED:
    case KIND_FLOAT: return convert_to_number(reader, at, column, value);
    default: return false;
    }
}
