/* Values that nothing is read from. They have to be JSON all the same: the door takes no other lines. */

#include "bulk.h"

static const uint32_t DEEPEST = 64;

bool skip_word(const uint8_t **at, const char *word) {
    for (; *word; word++)
        if (*(*at)++ != (uint8_t)*word) return false;
    return true;
}

static bool skip_string(const uint8_t **at, const uint8_t *end) {
    struct text text;
    return find_text(at, end, &text) && (!text.has_escapes || has_sound_escapes(&text));
}

static bool skip_digits(const uint8_t **at) {
    const uint8_t *begin = *at;
    while (is_digit(**at)) (*at)++;
    return *at > begin;
}

bool skip_number(const uint8_t **at) {
    if (**at == '-') (*at)++;
    if (**at == '0') (*at)++;
    else if (!skip_digits(at)) return false;
    if (**at == '.') {
        (*at)++;
        if (!skip_digits(at)) return false;
    }
    if ((**at | 0x20) != 'e') return true;
    (*at)++;
    if (**at == '+' || **at == '-') (*at)++;
    return skip_digits(at);
}

static bool skip_any(const uint8_t **at, const uint8_t *end, uint32_t depth);

/* The members of an object, or the elements of an array, up to what closes it. */
static bool skip_all(const uint8_t **at, const uint8_t *end, uint32_t depth) {
    bool has_keys = *(*at)++ == '{';
    uint8_t close = has_keys ? '}' : ']';
    if (depth == DEEPEST) return false;
    *at = skip_space(*at);
    if (**at == close) {
        (*at)++;
        return true;
    }
    for (uint8_t byte = ','; byte == ','; byte = *(*at)++) {
        *at = skip_space(*at);
        if (has_keys) {
            if (!skip_string(at, end)) return false;
            *at = skip_space(*at);
            if (*(*at)++ != ':') return false;
            *at = skip_space(*at);
        }
        if (!skip_any(at, end, depth + 1)) return false;
        *at = skip_space(*at);
        if (**at != ',' && **at != close) return false;
    }
    return true;
}

static bool skip_any(const uint8_t **at, const uint8_t *end, uint32_t depth) {
    switch (**at) {
    case '"': return skip_string(at, end);
    case '{':
    case '[': return skip_all(at, end, depth);
    case 't': return skip_word(at, "true");
    case 'f': return skip_word(at, "false");
    case 'n': return skip_word(at, "null");
    default: return skip_number(at);
    }
}

bool skip_value(const uint8_t **at, const uint8_t *end) { return skip_any(at, end, 0); }
