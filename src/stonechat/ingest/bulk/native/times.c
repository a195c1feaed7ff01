/* Dates and times: ISO 8601, from 1971 on and a year before the end of each type's range. */

#include "bulk.h"

static const uint32_t FIRST_YEAR = 1971;
static const uint32_t DAYS_BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

static inline bool is_leap(uint32_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

/* Just so many digits, and a byte behind them unless that is 0. */
static bool read_part(const uint8_t **at, int count, uint8_t behind, uint32_t *value) {
    *value = 0;
    for (; count > 0; count--, (*at)++) {
        if (!is_digit(**at)) return false;
        *value = *value * 10 + (uint32_t)(**at - '0');
    }
    return behind == 0 || *(*at)++ == behind;
}

/* YYYY-MM-DD as days since 1970. */
static bool read_day(const uint8_t **at, uint32_t last_year, uint32_t *days) {
    uint32_t year, month, day;
    if (!read_part(at, 4, '-', &year) || !read_part(at, 2, '-', &month) || !read_part(at, 2, 0, &day)) return false;
    if (year < FIRST_YEAR || year > last_year || month < 1 || month > 12 || day < 1) return false;
    uint32_t leap = is_leap(year);
    uint32_t next = month == 12 ? 365 + leap : DAYS_BEFORE[month] + (month >= 2 ? leap : 0);
    uint32_t before = DAYS_BEFORE[month - 1] + (month > 2 ? leap : 0);
    if (before + day > next) return false;
    uint32_t past = year - 1, leaps = past / 4 - past / 100 + past / 400 - 477; /* 477 of them before 1970 */
    *days = (year - 1970) * 365 + leaps + before + day - 1;
    return true;
}

/* HH:MM:SS as seconds. */
static bool read_clock(const uint8_t **at, uint32_t *seconds) {
    uint32_t hour, minute, second;
    if (!read_part(at, 2, ':', &hour) || !read_part(at, 2, ':', &minute) || !read_part(at, 2, 0, &second)) return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

/* Up to nine digits behind a point, cut or filled to `scale` of them. */
static bool read_fraction(const uint8_t **at, uint32_t scale, uint64_t *fraction) {
    uint32_t count = 0, kept = 0;
    *fraction = 0;
    if (**at == '.') {
        for ((*at)++; is_digit(**at); (*at)++, count++) {
            if (kept == scale) continue;
            *fraction = *fraction * 10 + (uint64_t)(**at - '0');
            kept++;
        }
        if (count == 0 || count > 9) return false;
    }
    for (; kept < scale; kept++) *fraction *= 10;
    return true;
}

/* Z or +HH:MM, or nothing, as seconds ahead of UTC; says if there was one of them. */
static bool read_offset(const uint8_t **at, int64_t *seconds, bool *is_told) {
    uint8_t sign = **at;
    uint32_t hours, minutes;
    *seconds = 0;
    *is_told = sign == 'Z' || sign == '+' || sign == '-';
    *at += *is_told;
    if (!*is_told || sign == 'Z') return true;
    if (!read_part(at, 2, ':', &hours) || !read_part(at, 2, 0, &minutes) || hours > 23 || minutes > 59) return false;
    *seconds = (int64_t)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

bool read_date(const uint8_t **at, uint32_t width, struct output *output) {
    uint32_t days;
    if (*(*at)++ != '"' || !read_day(at, width == 2 ? 2148 : 2298, &days) || *(*at)++ != '"') return false;
    return append_number(output, days, width);
}

bool read_date_time(const uint8_t **at, const struct column *column, struct output *output) {
    uint32_t width = column->width, scale = column->scale;
    uint32_t days, clock, last_year = width == 4 ? 2105 : scale == 9 ? 2261 : 2298;
    uint64_t fraction;
    int64_t offset;
    bool is_told;
    if (*(*at)++ != '"' || !read_day(at, last_year, &days)) return false;
    if (**at != ' ' && **at != 'T') return false;
    (*at)++;
    if (!read_clock(at, &clock) || !read_fraction(at, scale, &fraction)) return false;
    if (!read_offset(at, &offset, &is_told) || *(*at)++ != '"') return false;
    if ((column->traits & TRAIT_ZONE) && !is_told) return false;
    uint64_t moment = (uint64_t)((int64_t)days * 86400 + clock - offset);
    for (uint32_t digit = 0; digit < scale; digit++) moment *= 10;
    return append_number(output, moment + fraction, width);
}
