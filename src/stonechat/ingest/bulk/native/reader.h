/* What the parts of the reader share: what is asked for, and what is known at some place of a body. */

#ifndef STONECHAT_READER_H
#define STONECHAT_READER_H

#include "bulk.h"

#define NO_COLUMN UINT32_MAX
#define NO_FIELD UINT32_MAX

/* A field of events that leads to columns. */
struct field {
    const uint8_t *key; /* as JSON has it between the quotes */
    uint32_t key_size;
    uint32_t column; /* that it feeds, or NO_COLUMN */
    uint32_t first;  /* of the fields of the object that it holds, if it feeds none; they follow each other */
    uint32_t count;  /* of these */
};

/* What events are read into. The first of the fields is the event itself, its own fields are the last. */
struct plan {
    const struct column *columns;
    const struct field *fields;
    uint32_t column_count;
    uint32_t field_count;
    bool marks_defaults; /* RowBinaryWithDefaults: a byte before each value */
    bool renames;        /* no line may stay as it came: columns are fed from other keys than their names */
};

/* A field as a body shows it. One of which neither a column nor an object is known is a stranger. */
struct node {
    struct field field;
    uint32_t leader;   /* the field that its object began with last */
    uint32_t follower; /* the field that came behind it last */
    uint64_t row;      /* the last that had it */
    uint64_t rows;     /* that had it, of a stranger */
};

/* Where the value of a column stands, and in which row. */
struct value {
    const uint8_t *text; /* for a line: mostly where it stands in the body */
    size_t text_size;
    size_t begin; /* in the output */
    size_t size;
    uint64_t row;
    bool is_quoted; /* whether the line has the text as a string */
};

struct reader {
    const struct plan *plan;
    const uint8_t *end;
    struct node *nodes;
    struct value *values; /* by column */
    struct output output;
    struct output spare;    /* for a row whose values have to change places */
    struct output lines;    /* if some may not stay as they came, all */
    const uint8_t *written; /* up to where in the body they are in `lines` */
    size_t label_bytes;     /* of all columns */
    uint64_t row;           /* the number of this row, from 1 on */
    uint32_t strangers;     /* among the nodes, behind the others */
    uint32_t met;           /* how many columns this row has a value for so far */
    bool in_order;          /* and whether they came in the order of the columns */
    bool is_changed;        /* and whether its line may not stay as it came */
};

enum { EVENT = 0, MOST_STRANGERS = 64 };

/* Reads the event that *at is at. */
bool read_event(struct reader *reader, const uint8_t **at);

/* Reads a value of another form than the column's, and says which text its line gets. */
bool convert_value(struct reader *reader, const uint8_t **at, const struct column *column, struct value *value);

/* Writes what stands for null, or for a missing value. */
bool write_null(struct reader *reader, uint8_t traits, bool is_missing);

/* Writes the row of the line with the columns' names as keys, behind all lines before it; `next` begins behind it. */
bool rewrite_line(struct reader *reader, const uint8_t *line, const uint8_t *next);

#endif
