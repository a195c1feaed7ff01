/* Events: objects, the fields of theirs that lead to columns, and the values of these. */

#include "reader.h"

#include <string.h>

static bool read_scalar(struct reader *reader, const uint8_t **at, const struct column *column) {
    struct output *output = &reader->output;
    switch (column->kind) {
    case KIND_STRING: return read_string(at, reader->end, output);
    case KIND_FIXED_STRING: return read_fixed_string(at, reader->end, column->width, output);
    case KIND_BOOLEAN: return read_boolean(at, output);
    case KIND_SIGNED: return read_integer(at, column->width, true, output);
    case KIND_UNSIGNED: return read_integer(at, column->width, false, output);
    case KIND_FLOAT: return read_float(at, column->width, output);
    case KIND_DATE: return read_date(at, column->width, output);
    case KIND_DATE_TIME: return read_date_time(at, column, output);
    case KIND_UUID: return read_uuid(at, output);
    case KIND_DECIMAL: return read_decimal(at, column, output);
    case KIND_ENUM: return read_enum(at, reader->end, column, output);
    default: return false;
    }
}

/* Puts the number of elements before them. */
static bool insert_length(struct output *output, size_t begin, uint64_t count) {
    size_t head = length_size(count), size = output->size - begin;
    if (output_room(output, head) == NULL) return false;
    uint8_t *elements = output->data + begin;
    memmove(elements + head, elements, size);
    write_length(elements, count);
    output->size += head;
    return true;
}

static bool read_array(struct reader *reader, const uint8_t **at, const struct column *column) {
    size_t begin = reader->output.size;
    uint64_t count = 0;
    if (*(*at)++ != '[') return false;
    *at = skip_space(*at);
    if (**at == ']') {
        (*at)++;
        return append_byte(&reader->output, 0);
    }
    for (uint8_t byte = ','; byte == ','; byte = *(*at)++) {
        *at = skip_space(*at);
        if (!read_scalar(reader, at, column)) return false;
        count++;
        *at = skip_space(*at);
        if (**at != ',' && **at != ']') return false;
    }
    return insert_length(&reader->output, begin, count);
}

bool write_null(struct reader *reader, uint8_t traits, bool is_missing) {
    if ((traits & TRAIT_DEFAULT) && (is_missing || !(traits & TRAIT_NULLABLE))) return append_byte(&reader->output, 1);
    if (!(traits & TRAIT_NULLABLE)) return false;
    return (!reader->plan->marks_defaults || append_byte(&reader->output, 0)) && append_byte(&reader->output, 1);
}

static bool read_value(struct reader *reader, const uint8_t **at, const struct column *column, struct value *value) {
    if (**at == 'n') {
        value->text_size = 4;
        return skip_word(at, "null") && write_null(reader, column->traits, false);
    }
    if (reader->plan->marks_defaults && !append_byte(&reader->output, 0)) return false;
    if ((column->traits & TRAIT_NULLABLE) && !append_byte(&reader->output, 0)) return false;
    bool is_array = column->traits & TRAIT_ARRAY;
    size_t begin = reader->output.size;
    if (is_array ? read_array(reader, at, column) : read_scalar(reader, at, column)) {
        value->text_size = (size_t)(*at - value->text);
        return true;
    }
    if (is_array) return false;
    *at = value->text;
    reader->output.size = begin;
    return convert_value(reader, at, column, value);
}

static bool read_column(struct reader *reader, const uint8_t **at, uint32_t index) {
    struct value *value = &reader->values[index];
    reader->in_order = reader->in_order && index == reader->met;
    reader->met++;
    value->row = reader->row;
    value->text = *at;
    value->is_quoted = false;
    value->begin = reader->output.size;
    if (!read_value(reader, at, &reader->plan->columns[index], value)) return false;
    value->size = reader->output.size - value->begin;
    return true;
}

/* Keys are short: the call of memcmp would cost more than it does. */
static inline bool is_same(const uint8_t *one, const uint8_t *other, size_t size) {
    uint64_t first, second;
    size_t at = 0;
    for (; size - at >= sizeof first; at += sizeof first) {
        memcpy(&first, one + at, sizeof first);
        memcpy(&second, other + at, sizeof second);
        if (first != second) return false;
    }
    for (; at < size; at++)
        if (one[at] != other[at]) return false;
    return true;
}

/* The field of an object with the key that *at is behind the opening quote of, which it then is behind. Senders repeat
 * themselves: the first to be tried is the one that came at this place before, then those behind it in turn. */
static uint32_t find_field(const struct reader *reader, const struct field *object, uint32_t guess,
                           const uint8_t **at) {
    uint32_t index = guess;
    for (uint32_t tried = 0; tried < object->count; tried++, index++) {
        if (index - object->first >= object->count) index = object->first;
        const struct field *field = &reader->nodes[index].field;
        if ((size_t)(reader->end - *at) > field->key_size && (*at)[field->key_size] == '"' &&
            is_same(*at, field->key, field->key_size)) {
            *at += field->key_size + 1;
            return index;
        }
    }
    return NO_FIELD;
}

/* Makes a node of a key at the top that no column is fed from, so that it is found, and counted, from now on. */
static uint32_t learn_field(struct reader *reader, const struct text *key) {
    if (reader->strangers == MOST_STRANGERS) return NO_FIELD;
    uint32_t index = reader->plan->field_count + reader->strangers++;
    reader->nodes[EVENT].field.count++;
    reader->nodes[index].field =
        (struct field){.key = key->begin, .key_size = (uint32_t)(key->end - key->begin), .column = NO_COLUMN};
    reader->nodes[index].follower = index + 1;
    return index;
}

/* The field of the key that *at is at, which moves to its value; NO_FIELD for what is ignored in an inner object. */
static bool read_key(struct reader *reader, const uint8_t **at, uint32_t object, uint32_t guess, uint32_t *found) {
    const uint8_t *here = *at + 1;
    if (**at != '"') return false;
    *found = find_field(reader, &reader->nodes[object].field, guess, &here);
    if (*found == NO_FIELD) {
        struct text key;
        here = *at;
        /* Escapes may spell a key that is known. */
        if (!find_text(&here, reader->end, &key) || key.has_escapes || key.end - key.begin > UINT16_MAX) return false;
        if (object == EVENT && (*found = learn_field(reader, &key)) == NO_FIELD) return false;
    }
    here = skip_space(here);
    if (*here++ != ':') return false;
    *at = skip_space(here);
    return true;
}

static bool read_object(struct reader *reader, const uint8_t **at, uint32_t index);

/* `guess` points to where the field that is expected here is noted. */
static bool read_member(struct reader *reader, const uint8_t **at, uint32_t object, uint32_t **guess) {
    uint32_t found;
    if (!read_key(reader, at, object, **guess, &found)) return false;
    if (found == NO_FIELD) return skip_value(at, reader->end);
    struct node *node = &reader->nodes[found];
    if (node->row == reader->row) return false; /* the key comes again */
    node->row = reader->row;
    **guess = found;
    *guess = &node->follower;
    if (node->field.column != NO_COLUMN) return read_column(reader, at, node->field.column);
    if (node->field.count > 0) return **at == 'n' ? skip_word(at, "null") : read_object(reader, at, found);
    node->rows++;
    reader->is_changed = true;
    return skip_value(at, reader->end);
}

/* As deep as the plan's objects are, no deeper. */
static bool read_object(struct reader *reader, const uint8_t **at, uint32_t index) {
    uint32_t *guess = &reader->nodes[index].leader;
    if (*(*at)++ != '{') return false;
    *at = skip_space(*at);
    if (**at == '}') {
        (*at)++;
        return true;
    }
    for (uint8_t byte = ','; byte == ','; byte = *(*at)++) {
        *at = skip_space(*at);
        if (!read_member(reader, at, index, &guess)) return false;
        *at = skip_space(*at);
        if (**at != ',' && **at != '}') return false;
    }
    return true;
}

bool read_event(struct reader *reader, const uint8_t **at) { return read_object(reader, at, EVENT); }
