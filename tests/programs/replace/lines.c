/* SPDX-License-Identifier: MIT */
/* The swapped getline and getdelim beside the C library's, call by call, on the same input. */
#include "check.h"
#include "plain.h"

#include <stdlib.h>
#include <unistd.h>

struct reader {
    FILE *stream;
    char *line;
    size_t bytes;
    long result;
    int error;
};

struct input {
    const char *what;
    const char *bytes;
    size_t length;
    int delimiter;
};

#define INPUT(what, text, delimiter)                                                                                   \
    {                                                                                                                  \
        what, text, sizeof text - 1, delimiter                                                                         \
    }

static FILE *open_input(const char *bytes, size_t length)
{
    FILE *stream = tmpfile();
    CHECK(stream != NULL && fwrite(bytes, 1, length, stream) == length);
    rewind(stream);
    return stream;
}

static void read_swapped(struct reader *reader, int delimiter)
{
    errno = 0;
    reader->result = delimiter == '\n' ? getline(&reader->line, &reader->bytes, reader->stream)
                                       : getdelim(&reader->line, &reader->bytes, delimiter, reader->stream);
    reader->error = errno;
}

static void read_plain(struct reader *reader, int delimiter)
{
    errno = 0;
    reader->result = plain_getdelim(&reader->line, &reader->bytes, delimiter, reader->stream);
    reader->error = errno;
}

/* Same result, same flags, same place in the file; true while there are lines. */
static bool is_same_step(struct reader *ours, struct reader *theirs, int delimiter)
{
    read_swapped(ours, delimiter);
    read_plain(theirs, delimiter);
    CHECK(ours->result == theirs->result);
    CHECK(ours->result >= 0 || ours->error == theirs->error);
    CHECK(!feof(ours->stream) == !feof(theirs->stream) && !ferror(ours->stream) == !ferror(theirs->stream));
    CHECK(ftell(ours->stream) == ftell(theirs->stream));
    if (ours->result != theirs->result || ours->result < 0)
        return false;
    CHECK(memcmp(ours->line, theirs->line, (size_t)ours->result + 1) == 0);
    CHECK(ours->bytes > (size_t)ours->result);
    CHECK(gca_base(ours->line) == ours->line && gca_usable_size(ours->line) >= ours->bytes);
    return true;
}

static void finish(struct reader *ours, struct reader *theirs)
{
    fclose(ours->stream);
    fclose(theirs->stream);
    free(ours->line);
    plain_free(theirs->line);
}

static void compare(const struct input *input)
{
    int before = check_failures;
    struct reader ours = {.stream = open_input(input->bytes, input->length)};
    struct reader theirs = {.stream = open_input(input->bytes, input->length)};
    while (is_same_step(&ours, &theirs, input->delimiter))
        ;
    is_same_step(&ours, &theirs, input->delimiter); /* and once more behind the end */
    finish(&ours, &theirs);
    if (check_failures != before)
        fprintf(stderr, "with %s\n", input->what);
}

static void test_inputs(void)
{
    static const struct input inputs[] = {
        INPUT("nothing", "", '\n'),
        INPUT("one empty line", "\n", '\n'),
        INPUT("empty lines", "\n\n\n", '\n'),
        INPUT("lines", "one\ntwo\nthree\n", '\n'),
        INPUT("no newline at the end", "one\ntwo", '\n'),
        INPUT("one byte", "x", '\n'),
        INPUT("NUL bytes", "a\0b\n\0\n\0\0c", '\n'),
        INPUT("another delimiter", "a:bc:\n:d", ':'),
        INPUT("NUL as delimiter", "a\0bc\0\0d", '\0'),
        INPUT("a delimiter that does not occur", "a\nb\nc\n", ';'),
        INPUT("bytes above 127", "\377\376\n\200x\n", '\n'),
        INPUT("byte 255 as delimiter", "ab\377cd\377", 255),
    };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        compare(&inputs[i]);
}

/* Every length around those where buffers grow, and one line of 3 MiB. */
static void test_lengths(void)
{
    static char text[3 << 20];
    memset(text, 'x', sizeof text);
    for (size_t length = 100; length < 1100; length = length == 130 ? 230 : length == 260 ? 1000 : length + 1) {
        text[length] = '\n';
        struct input input = {"some length", text, length * 3, '\n'};
        compare(&input);
        input.length = length;
        compare(&input);
        text[length] = 'x';
    }
    struct input input = {"a very long line", text, sizeof text, '\n'};
    compare(&input);
    text[sizeof text - 1] = '\n';
    compare(&input);
}

static void test_own_buffers(void)
{
    static const size_t given[] = {1, 2, 3, 119, 120, 121, 500};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        struct reader ours = {open_input("abc\n\nlonger\n", 12), malloc(given[i]), given[i], 0, 0};
        struct reader theirs = {open_input("abc\n\nlonger\n", 12), plain_malloc(given[i]), given[i], 0, 0};
        while (is_same_step(&ours, &theirs, '\n'))
            ;
        finish(&ours, &theirs);
    }
}

/* A block that the C library made may be handed in, and grows. */
static void test_library_buffer(void)
{
    char long_line[1000];
    memset(long_line, 'y', sizeof long_line);
    FILE *stream = open_input(long_line, sizeof long_line);
    char *line = NULL;
    CHECK(asprintf(&line, "%s", "short") == 5);
    size_t bytes = 6;
    CHECK(getline(&line, &bytes, stream) == 1000 && is_filled(line, 'y', 1000) && line[1000] == '\0');
    free(line);
    fclose(stream);
}

/* With a size of 0 the C library takes no notice of what the pointer was. */
static void test_size_zero(void)
{
    char not_a_block[16];
    struct reader ours = {open_input("abc\n", 4), not_a_block, 0, 0, 0};
    struct reader theirs = {open_input("abc\n", 4), not_a_block, 0, 0, 0};
    CHECK(is_same_step(&ours, &theirs, '\n'));
    finish(&ours, &theirs);
}

static void test_errors(void)
{
    struct reader ours = {.stream = fopen("/dev/null", "w")};
    struct reader theirs = {.stream = fopen("/dev/null", "w")};
    CHECK(!is_same_step(&ours, &theirs, '\n')); /* not open for reading */
    CHECK(ours.error == EBADF);
    finish(&ours, &theirs);
    ours = (struct reader){.stream = fopen("/", "r")};
    theirs = (struct reader){.stream = fopen("/", "r")};
    CHECK(!is_same_step(&ours, &theirs, '\n') && ours.error == EISDIR);
    finish(&ours, &theirs);
    char *line = NULL;
    size_t bytes = 0;
    errno = 0;
    CHECK(getline(unknown(NULL), &bytes, stdin) == -1 && errno == EINVAL);
    errno = 0;
    CHECK(getline(&line, unknown(NULL), stdin) == -1 && errno == EINVAL);
}

/* A stream whose error flag is set yields no more lines. */
static void test_error_flag(void)
{
    struct reader ours = {.stream = fopen("/proc/self/status", "r")};
    struct reader theirs = {.stream = fopen("/proc/self/status", "r")};
    CHECK(fputc('x', ours.stream) == EOF && fputc('x', theirs.stream) == EOF);
    CHECK(ferror(ours.stream) && ferror(theirs.stream));
    CHECK(!is_same_step(&ours, &theirs, '\n'));
    finish(&ours, &theirs);
}

/* A line whose rest only comes later, through a pipe. */
static void test_pipe(void)
{
    int ends[2];
    char *line = NULL;
    size_t bytes = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20; i++) {
            CHECK(write(ends[1], "part ", 5) == 5);
            usleep(1000);
        }
        CHECK(write(ends[1], "\nend", 4) == 4);
        _exit(0);
    }
    close(ends[1]);
    FILE *stream = fdopen(ends[0], "r");
    CHECK(getline(&line, &bytes, stream) == 101 && line[100] == '\n');
    CHECK(getline(&line, &bytes, stream) == 3 && strcmp(line, "end") == 0);
    CHECK(getline(&line, &bytes, stream) == -1 && feof(stream));
    fclose(stream);
    free(line);
}

int main(void)
{
    test_inputs();
    test_lengths();
    test_own_buffers();
    test_library_buffer();
    test_errors();
    test_pipe();
    test_error_flag();
    test_size_zero();
    return check_result();
}
