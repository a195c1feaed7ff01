/* Strings of JSON, and what is written as one. */

#include "bulk.h"

#include <string.h>

#define EACH(byte) (0x0101010101010101u * (byte))

/* Whether one of eight bytes ends a run of plain characters: a control character, a quote, a backslash, or a part of a
 * character beyond ASCII. May say so of bytes behind such a one that are none. */
static inline bool ends_run(uint64_t bytes) {
    uint64_t quote = bytes ^ EACH('"'), backslash = bytes ^ EACH('\\');
    uint64_t found = bytes | (bytes - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1));
    return (found & EACH(0x80)) != 0;
}

static inline bool is_plain(uint8_t byte) { return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; }

static const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end) {
    while (end - at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof bytes);
        if (ends_run(bytes)) break;
        at += 8;
    }
    while (is_plain(*at)) at++;
    return at;
}

static inline bool continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* Behind a character beyond ASCII; NULL if it is none of UTF-8's: too long for what it says, a surrogate, too large. */
static const uint8_t *skip_character(const uint8_t *at) {
    uint8_t first = at[0];
    if (first < 0xC2 || first > 0xF4 || !continues(at[1])) return NULL;
    if (first < 0xE0) return at + 2;
    if (!continues(at[2])) return NULL;
    uint8_t second = at[1];
    if (first < 0xF0) return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ? NULL : at + 3;
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) || !continues(at[3])) return NULL;
    return at + 4;
}

bool find_text(const uint8_t **at, const uint8_t *end, struct text *text) {
    const uint8_t *here = *at;
    if (*here++ != '"') return false;
    *text = (struct text){.begin = here};
    for (;;) {
        here = skip_plain(here, end);
        if (*here == '"') break;
        if (*here == '\\') {
            if (end - here < 2) return false;
            text->has_escapes = true;
            here += 2;
        } else if (*here < 0x80 || (here = skip_character(here)) == NULL) {
            return false;
        }
    }
    text->end = here;
    *at = here + 1;
    return true;
}

/* Four hexadecimal digits, or -1. They stand before a quote, so a byte that is none comes before the end. */
static int32_t hexadecimal(const uint8_t *at) {
    int32_t value = 0;
    for (int index = 0; index < 4; index++) {
        uint8_t byte = at[index], letter = byte | 0x20;
        if (is_digit(byte)) value = value * 16 + (byte - '0');
        else if (letter >= 'a' && letter <= 'f') value = value * 16 + (letter - 'a' + 10);
        else return -1;
    }
    return value;
}

static uint8_t *write_character(uint8_t *to, uint32_t character) {
    if (character < 0x80) {
        *to++ = (uint8_t)character;
        return to;
    }
    if (character < 0x800) {
        *to++ = (uint8_t)(0xC0 | character >> 6);
    } else {
        if (character < 0x10000) {
            *to++ = (uint8_t)(0xE0 | character >> 12);
        } else {
            *to++ = (uint8_t)(0xF0 | character >> 18);
            *to++ = (uint8_t)(0x80 | (character >> 12 & 0x3F));
        }
        *to++ = (uint8_t)(0x80 | (character >> 6 & 0x3F));
    }
    *to++ = (uint8_t)(0x80 | (character & 0x3F));
    return to;
}

/* The character of an escape of the form \uXXXX or of a pair of them, *at behind the u. Half a pair is refused. */
static bool read_code(const uint8_t **at, uint8_t **to) {
    int32_t code = hexadecimal(*at);
    if (code < 0) return false;
    *at += 4;
    uint32_t character = (uint32_t)code;
    if (character >= 0xD800 && character < 0xE000) {
        if (character >= 0xDC00 || (*at)[0] != '\\' || (*at)[1] != 'u') return false;
        int32_t low = hexadecimal(*at + 2);
        if (low < 0xDC00 || low > 0xDFFF) return false;
        *at += 6;
        character = 0x10000 + ((character - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    }
    *to = write_character(*to, character);
    return true;
}

static bool read_escape(const uint8_t **at, uint8_t **to) {
    uint8_t byte = *(*at)++;
    switch (byte) {
    case '"': case '\\': case '/': break;
    case 'b': byte = '\b'; break;
    case 'f': byte = '\f'; break;
    case 'n': byte = '\n'; break;
    case 'r': byte = '\r'; break;
    case 't': byte = '\t'; break;
    case 'u': return read_code(at, to);
    default: return false;
    }
    *(*to)++ = byte;
    return true;
}

bool has_sound_escapes(const struct text *text) {
    for (const uint8_t *at = text->begin; at < text->end;) {
        uint8_t character[4], *to = character;
        if (*at++ == '\\' && !read_escape(&at, &to)) return false;
    }
    return true;
}

/* The characters that a text stands for, never more bytes than it has; returns behind the last, or NULL. */
static uint8_t *write_text(const struct text *text, uint8_t *to) {
    const uint8_t *at = text->begin;
    while (at < text->end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        if (!read_escape(&at, &to)) return NULL;
    }
    return to;
}

bool read_string(const uint8_t **at, const uint8_t *end, struct output *output) {
    struct text text;
    if (!find_text(at, end, &text)) return false;
    size_t size = (size_t)(text.end - text.begin), head = length_size(size);
    uint8_t *to = output_room(output, head + size);
    if (to == NULL) return false;
    if (text.has_escapes) {
        uint8_t *behind = write_text(&text, to + head);
        if (behind == NULL) return false;
        size = (size_t)(behind - (to + head));
        size_t shorter = length_size(size);
        memmove(to + shorter, to + head, size);
        head = shorter;
    } else {
        memcpy(to + head, text.begin, size);
    }
    write_length(to, size);
    output->size += head + size;
    return true;
}

bool read_fixed_string(const uint8_t **at, const uint8_t *end, uint32_t width, struct output *output) {
    struct text text;
    if (!find_text(at, end, &text)) return false;
    size_t size = (size_t)(text.end - text.begin);
    uint8_t *to = output_room(output, size > width ? size : width);
    if (to == NULL) return false;
    uint8_t *behind = write_text(&text, to);
    if (behind == NULL || behind > to + width) return false;
    memset(behind, 0, (size_t)(to + width - behind));
    output->size += width;
    return true;
}

/* How the name of a member stands to a text: before it, behind it, or 0 for the same. */
static int compare(const struct member *member, const uint8_t *text, size_t size) {
    if (member->size != size) return member->size < size ? -1 : 1;
    return memcmp(member->name, text, size);
}

bool read_enum(const uint8_t **at, const uint8_t *end, const struct column *column, struct output *output) {
    struct text text;
    if (!find_text(at, end, &text)) return false;
    const uint8_t *name = text.begin, *behind = text.end;
    if (text.has_escapes) {
        uint8_t *to = output_room(output, (size_t)(text.end - text.begin));
        if (to == NULL || (behind = write_text(&text, to)) == NULL) return false;
        name = to;
    }
    size_t size = (size_t)(behind - name);
    uint32_t low = 0, high = column->member_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(&column->members[middle], name, size);
        if (order == 0) return append_number(output, (uint64_t)column->members[middle].number, column->width);
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return false;
}

bool read_uuid(const uint8_t **at, struct output *output) {
    const uint8_t *here = *at;
    uint64_t halves[2] = {0, 0};
    if (*here++ != '"') return false;
    for (int group = 0; group < 8; group++) {
        if ((group >= 2 && group <= 5) && *here++ != '-') return false;
        int32_t digits = hexadecimal(here);
        if (digits < 0) return false;
        halves[group / 4] = halves[group / 4] << 16 | (uint64_t)digits;
        here += 4;
    }
    if (*here++ != '"') return false;
    *at = here;
    return append_number(output, halves[0], 8) && append_number(output, halves[1], 8);
}
