/* SPDX-License-Identifier: MIT */
/* What the C library makes for its callers, and what it makes and frees itself. */
#include "legal.h"

#include <dirent.h>
#include <dlfcn.h>
#include <glob.h>
#include <ifaddrs.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <regex.h>
#include <search.h>
#include <wchar.h>

static void read_lines(const char *path)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    while (getline(&line, &bytes, file) >= 0)
        line = realloc(line, bytes);
    free(line);
    fclose(file);
}

static void read_folder(const char *path)
{
    struct dirent **entries;
    DIR *folder = opendir(path);
    REQUIRE(folder != NULL);
    while (readdir(folder) != NULL)
        ;
    closedir(folder);
    int count = scandir(path, &entries, NULL, alphasort);
    REQUIRE(count > 0);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    glob_t found;
    REQUIRE(glob("/etc/*", 0, NULL, &found) == 0);
    globfree(&found);
}

static void print_to_memory(void)
{
    char *text = NULL;
    size_t bytes = 0;
    REQUIRE(asprintf(&text, "%0*d", 5000, 1) == 5000);
    free(text);
    FILE *stream = open_memstream(&text, &bytes);
    REQUIRE(stream != NULL);
    for (int i = 0; i < 1000; i++)
        fprintf(stream, "line %d\n", i);
    fclose(stream);
    REQUIRE(strlen(text) == bytes);
    free(text);
    wchar_t *wide = wcsdup(L"wide");
    free(wide);
}

static void open_libraries(void)
{
    for (int i = 0; i < 3; i++) {
        void *library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
        REQUIRE(library != NULL);
        REQUIRE(dlsym(library, "no such symbol") == NULL && dlerror() != NULL);
        REQUIRE(dlclose(library) == 0);
    }
    REQUIRE(dlopen("/no/such/library.so", RTLD_NOW) == NULL && dlerror() != NULL);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void keep_key(void *key)
{
    (void)key; /* it is static */
}

static void keep_tree(void)
{
    static char keys[1000][8];
    void *root = NULL;
    for (size_t i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof keys[i], "%zu", i * 7919 % 1000);
        REQUIRE(tsearch(keys[i], &root, compare) != NULL);
    }
    for (size_t i = 0; i < 1000; i += 2)
        REQUIRE(tdelete(keys[i], &root, compare) != NULL);
    tdestroy(root, keep_key);
}

static void match(void)
{
    regex_t expression;
    REQUIRE(regcomp(&expression, "(a|b)*[[:digit:]]+x{2,5}", REG_EXTENDED) == 0);
    REQUIRE(regexec(&expression, "abab42xxx", 0, NULL, 0) == 0);
    regfree(&expression);
}

int main(void)
{
    read_lines("/proc/self/maps");
    read_folder("/etc");
    print_to_memory();
    open_libraries();
    match();
    keep_tree();
    char *folder = getcwd(NULL, 0);
    REQUIRE(folder != NULL);
    free(folder);
    locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    REQUIRE(locale != (locale_t)0);
    freelocale(locale);
    setlocale(LC_ALL, "C.UTF-8");
    REQUIRE(getpwuid(0) != NULL);
    endpwent();
    struct addrinfo *addresses = NULL;
    if (getaddrinfo("127.0.0.1", "80", NULL, &addresses) == 0)
        freeaddrinfo(addresses);
    struct ifaddrs *interfaces = NULL;
    if (getifaddrs(&interfaces) == 0)
        freeifaddrs(interfaces);
    REQUIRE(setenv("GCALLOC_TEST_NAME", "value", 1) == 0 && unsetenv("GCALLOC_TEST_NAME") == 0);
    REQUIRE(hcreate(100) != 0);
    hdestroy();
    return 0;
}
