/* The rows that are made. */

#include "bulk.h"

#include <stdlib.h>
#include <string.h>

static bool grow(struct output *output, size_t bytes) {
    if (bytes > output->limit - output->size) return false;
    size_t wanted = output->capacity * 2;
    if (wanted < output->size + bytes) wanted = output->size + bytes;
    if (wanted > output->limit) wanted = output->limit;
    uint8_t *data = realloc(output->data, wanted);
    if (data == NULL) return false;
    output->data = data;
    output->capacity = wanted;
    return true;
}

uint8_t *output_room(struct output *output, size_t bytes) {
    if (bytes > output->capacity - output->size && !grow(output, bytes)) return NULL;
    return output->data + output->size;
}

bool append_bytes(struct output *output, const void *bytes, size_t size) {
    if (size == 0) return true;
    uint8_t *to = output_room(output, size);
    if (to == NULL) return false;
    memcpy(to, bytes, size);
    output->size += size;
    return true;
}

bool append_byte(struct output *output, uint8_t byte) { return append_bytes(output, &byte, 1); }

bool append_number(struct output *output, uint64_t number, uint32_t width) {
    uint8_t bytes[8];
    for (uint32_t index = 0; index < sizeof bytes; index++) bytes[index] = (uint8_t)(number >> (8 * index));
    return append_bytes(output, bytes, width);
}

size_t length_size(uint64_t length) {
    size_t size = 1;
    while (length >>= 7) size++;
    return size;
}

void write_length(uint8_t *to, uint64_t length) {
    for (; length >= 0x80; length >>= 7) *to++ = (uint8_t)(length | 0x80);
    *to = (uint8_t)length;
}
