/* SPDX-License-Identifier: MIT */
/* base/text.h and base/bits.h. */
#include <string.h>

#include "base/bits.h"
#include "base/text.h"
#include "support.h"

START_TEST(numbers_are_written)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add_decimal(&text, UINT64_MAX);
    gci_text_add(&text, " ");
    gci_text_add_decimal(&text, 0);
    gci_text_add(&text, " ");
    gci_text_add_address(&text, 0xdeadbeef);
    ck_assert_str_eq(text.bytes, "18446744073709551615 0 0xdeadbeef");
}
END_TEST

static const char *size_text(struct text *text, uint64_t bytes)
{
    gci_text_init(text);
    gci_text_add_size(text, bytes);
    return text->bytes;
}

START_TEST(sizes_are_written)
{
    struct text text;
    ck_assert_str_eq(size_text(&text, 0), "0 B");
    ck_assert_str_eq(size_text(&text, 1023), "1023 B");
    ck_assert_str_eq(size_text(&text, 1024), "1.0 KiB");
    ck_assert_str_eq(size_text(&text, 13002342), "12.4 MiB");
    ck_assert_str_eq(size_text(&text, UINT64_C(1) << 40), "1.0 TiB");
}
END_TEST

START_TEST(milliseconds_are_rounded)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add_milliseconds(&text, 1005000, 2);
    gci_text_add(&text, " ");
    gci_text_add_milliseconds(&text, 999999, 0);
    ck_assert_str_eq(text.bytes, "1.01 1");
}
END_TEST

START_TEST(long_text_is_cut)
{
    struct text text;
    gci_text_init(&text);
    for (int i = 0; i < TEXT_BYTES; i++)
        gci_text_add(&text, "ab");
    ck_assert_uint_eq(text.length, TEXT_BYTES - 1);
    ck_assert_uint_eq(strlen(text.bytes), TEXT_BYTES - 1);
}
END_TEST

START_TEST(byte_counts_are_parsed)
{
    uint64_t value = 7;
    ck_assert(gci_text_parse_bytes("64K", &value) && value == 65536);
    ck_assert(gci_text_parse_bytes("16777215T", &value) && value == UINT64_C(16777215) << 40);
    ck_assert(!gci_text_parse_bytes("16777216T", &value));
    ck_assert(!gci_text_parse_bytes("", &value));
    ck_assert(!gci_text_parse_bytes("-1", &value));
    ck_assert(!gci_text_parse_bytes("1KB", &value));
    ck_assert(!gci_text_parse_bytes("18446744073709551616", &value));
    ck_assert(gci_text_parse_bytes("18446744073709551615", &value) && value == UINT64_MAX);
}
END_TEST

START_TEST(roundings)
{
    ck_assert_uint_eq(power_of_two_up(1), 1);
    ck_assert_uint_eq(power_of_two_up(3), 4);
    ck_assert_uint_eq(power_of_two_up(UINT64_C(1) << 63), UINT64_C(1) << 63);
    ck_assert_uint_eq(low_bits(0), 0);
    ck_assert_uint_eq(low_bits(64), UINT64_MAX);
    size_t product;
    ck_assert(!multiply_sizes(SIZE_MAX, 2, &product));
    ck_assert(multiply_sizes(SIZE_MAX, 1, &product) && product == SIZE_MAX);
}
END_TEST

MAKE_SUITE(text, numbers_are_written, sizes_are_written, milliseconds_are_rounded, long_text_is_cut,
           byte_counts_are_parsed)
MAKE_SUITE(bits, roundings)
