/* SPDX-License-Identifier: MIT */
/* Rows 19, 20: memory that the C library allocates can be freed here, and the other way round. */
#include <dirent.h>
#include <ifaddrs.h>
#include <locale.h>
#include <netdb.h>
#include <regex.h>
#include <search.h>
#include <sys/mman.h>
#include <wchar.h>

#include "conformance.h"

/* The stream's buffer is a block that nobody else knows. */
static void write_through_a_held_buffer(void)
{
    static const char wanted[] = "buffered in a block that only the stream knows\nstill there\n";
    char written[sizeof wanted] = {0};
    int file = memfd_create("written", 0);
    CHECK(file >= 0 && dup2(file, STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(setvbuf(stdout, malloc(5000), _IOFBF, 5000) == 0);
    puts("buffered in a block that only the stream knows");
    clear_stack();
    collect_and_reuse(5000);
    puts("still there");
    CHECK(fflush(stdout) == 0);
    CHECK(pread(file, written, sizeof written, 0) == sizeof wanted - 1 && strcmp(written, wanted) == 0);
}

int main(void)
{
    char *text = NULL;
    char *line = malloc(2);
    size_t bytes = 2;
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    while (getline(&line, &bytes, file) > 0)
        collect();
    fclose(file);
    free(line);
    CHECK(asprintf(&text, "%0500d", 7) == 500);
    free(text);
    free(strdup("text"));
    free(wcsdup(L"wide"));
    free(realpath("/", NULL));
    free(getcwd(NULL, 0));
    DIR *directory = opendir("/");
    while (readdir(directory) != NULL)
        collect();
    closedir(directory);
    struct dirent **names;
    int count = scandir("/", &names, NULL, alphasort);
    while (count > 0)
        free(names[--count]);
    free(names);
    regex_t pattern;
    CHECK(regcomp(&pattern, "^(a|b)*[0-9]+$", REG_EXTENDED) == 0);
    collect();
    CHECK(regexec(&pattern, "abba17", 0, NULL, 0) == 0);
    regfree(&pattern);
    struct addrinfo *addresses = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &addresses) == 0)
        freeaddrinfo(addresses);
    setlocale(LC_ALL, "C.UTF-8");
    collect();
    write_through_a_held_buffer();
    return 0;
}
