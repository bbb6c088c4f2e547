/* SPDX-License-Identifier: MIT */
/* Order of the checks, as the kernel would come across them: found, regular file, executable, readable; then by
 * content: ELF, script (its interpreter, by the same rules), or text that only a shell can run. Privileges matter for
 * the ELF file at the end of the chain alone: Linux ignores those of scripts.
 */
#include "cli/launch/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <paths.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/base/message.h"
#include "cli/launch/elf_file.h"

#define HEAD_BYTES 256         /* how much of a file the kernel looks at to find "#!" and the interpreter */
#define INTERPRETERS_DEEPEST 5 /* scripts that run scripts: the kernel's limit */

enum content { CONTENT_ELF, CONTENT_SCRIPT, CONTENT_TEXT, CONTENT_UNKNOWN };

/* One file on the way from the typed name to the ELF file. */
struct candidate {
    const char *thing; /* for messages: the typed or found name and how we came from there to `path` */
    const char *path;
    const char *library;
    int depth; /* 0: the program itself; n: the n-th interpreter */
    int file;
    struct stat status;
    size_t head_bytes;
    unsigned char head[HEAD_BYTES];
};

static int check_candidate(struct candidate *candidate, enum content *content);

/* ---- Files ---- */

/* As execve would answer for a file of this kind. 0, or the exit code after one line. */
static int check_file(struct candidate *candidate)
{
    if (stat(candidate->path, &candidate->status) != 0) {
        if (errno == ENOENT)
            return gci_message_fail(EXIT_NOT_FOUND, candidate->thing, "not found");
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "%s", strerror(errno));
    }
    if (S_ISDIR(candidate->status.st_mode))
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "is a directory");
    if (!S_ISREG(candidate->status.st_mode))
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "not a regular file");
    if (faccessat(AT_FDCWD, candidate->path, X_OK, AT_EACCESS) != 0)
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "%s",
                                errno == EACCES ? "no permission to execute it" : strerror(errno));
    return 0;
}

static int read_head(struct candidate *candidate)
{
    candidate->file = open(candidate->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (candidate->file < 0)
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "cannot be read, so it cannot be checked: %s",
                                strerror(errno));
    ssize_t bytes = pread(candidate->file, candidate->head, HEAD_BYTES, 0);
    if (bytes < 0)
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "cannot be read: %s", strerror(errno));
    candidate->head_bytes = (size_t)bytes;
    return 0;
}

/* ---- ELF ---- */

static bool library_target(const char *library, struct elf_target *target)
{
    unsigned char head[HEAD_BYTES];
    int file = open(library, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? -1 : pread(file, head, sizeof head, 0);
    if (file >= 0)
        close(file);
    return bytes > 0 && gci_elf_identify(head, (size_t)bytes, target);
}

/* The dynamic loader may be run as a program (ld.so PROGRAM) and does preload, although it names no loader itself. */
static bool is_own_loader(const struct stat *status)
{
    char loader[PATH_MAX];
    struct stat own;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    enum elf_kind kind = gci_elf_kind(file, loader);
    close(file);
    return kind == ELF_DYNAMIC && stat(loader, &own) == 0 && own.st_dev == status->st_dev &&
           own.st_ino == status->st_ino;
}

static int check_loader(const struct candidate *candidate, const char *loader)
{
    const char *slash = strrchr(loader, '/');
    if (strncmp(slash ? slash + 1 : loader, "ld-musl", 7) == 0)
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing,
                                "built for the C library musl; libgcalloc.so needs glibc");
    if (access(loader, F_OK) != 0)
        return gci_message_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, candidate->thing,
                                "its loader %s cannot be used: %s", loader, strerror(errno));
    return 0;
}

/* Whether the file gives capabilities to a process of an ordinary user. The attribute holds little-endian words. */
static bool has_capabilities(int file)
{
    unsigned char raw[64];
    ssize_t bytes = fgetxattr(file, XATTR_NAME_CAPS, raw, sizeof raw);
    if (bytes < (ssize_t)XATTR_CAPS_SZ_2)
        return false;
    unsigned permitted = 0;
    for (size_t i = 0; i < 4; i++)
        permitted |= (unsigned)raw[4 + i] | raw[12 + i]; /* skips the inheritable words at 8 and 16 */
    return (raw[0] & VFS_CAP_FLAGS_EFFECTIVE) != 0 || permitted != 0;
}

/* Why the process would run in secure mode (AT_SECURE), where the loader ignores LD_PRELOAD; NULL if it would not. The
 * rule is the kernel's: the ids that the file gives, or else the present effective ones, against the real ones. */
static const char *secure_reason(const struct candidate *candidate)
{
    const struct stat *status = &candidate->status;
    struct statvfs mount;
    bool honoured = fstatvfs(candidate->file, &mount) != 0 || (mount.f_flag & ST_NOSUID) == 0;
    bool ids_honoured = honoured && prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1;
    bool sets_user = ids_honoured && (status->st_mode & S_ISUID) != 0;
    bool sets_group = ids_honoured && (status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

    if ((sets_user ? status->st_uid : geteuid()) != getuid())
        return sets_user ? "set-user-ID to another user" : "the caller's real and effective users differ";
    if ((sets_group ? status->st_gid : getegid()) != getgid())
        return sets_group ? "set-group-ID to another group" : "the caller's real and effective groups differ";
    if (honoured && getuid() != 0 && has_capabilities(candidate->file))
        return "it carries file capabilities";
    return NULL;
}

static int check_target(const struct candidate *candidate, const struct elf_target *target)
{
    char name[ELF_TARGET_NAME_BYTES], library_name[ELF_TARGET_NAME_BYTES];
    struct elf_target wanted;
    if (!library_target(candidate->library, &wanted))
        return gci_message_fail(EXIT_OWN_FAILURE, candidate->library, "cannot be read as a shared library");
    if (gci_elf_targets_match(target, &wanted))
        return 0;
    return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "built for %s; libgcalloc.so is for %s",
                            gci_elf_target_name(target, name), gci_elf_target_name(&wanted, library_name));
}

static int check_elf(const struct candidate *candidate, const struct elf_target *target)
{
    char loader[PATH_MAX];
    int code = check_target(candidate, target);
    if (code != 0)
        return code;
    enum elf_kind kind = gci_elf_kind(candidate->file, loader);
    if (kind == ELF_DAMAGED)
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "damaged ELF file");
    if (kind == ELF_NO_PROGRAM)
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "an ELF file, but no program");
    if (kind == ELF_NO_LOADER && !is_own_loader(&candidate->status))
        return gci_message_fail(EXIT_CANNOT_RUN, candidate->thing,
                                "statically linked, so libgcalloc.so cannot be preloaded into it");
    code = kind == ELF_DYNAMIC ? check_loader(candidate, loader) : 0;
    if (code != 0)
        return code;
    const char *reason = secure_reason(candidate);
    if (reason)
        code = gci_message_fail(EXIT_CANNOT_RUN, candidate->thing, "%s, so the loader ignores LD_PRELOAD", reason);
    return code;
}

/* ---- Scripts ---- */

/* The interpreter of a "#!" line, cut out of the head; NULL where the kernel finds none. */
static char *script_interpreter(struct candidate *candidate)
{
    char *head = (char *)candidate->head;
    if (candidate->head_bytes < 3 || memcmp(head, "#!", 2) != 0)
        return NULL;
    size_t start = 2;
    while (start < candidate->head_bytes && (head[start] == ' ' || head[start] == '\t'))
        start++;
    size_t end = start;
    while (end < candidate->head_bytes && memchr(" \t\n", head[end], 4) == NULL) /* 4: the '\0' too */
        end++;
    if (end == start || end == HEAD_BYTES)
        return NULL;
    return strndup(head + start, end - start);
}

/* A shell refuses to read a file as commands when its first line holds a zero byte; so do we. */
static bool looks_like_text(const struct candidate *candidate)
{
    const void *zero = memchr(candidate->head, '\0', candidate->head_bytes);
    const void *newline = memchr(candidate->head, '\n', candidate->head_bytes);
    return !zero || (newline && newline < zero);
}

static int check_interpreter(const struct candidate *script, const char *path, const char *how)
{
    char *thing = NULL;
    enum content content;
    if (script->depth == INTERPRETERS_DEEPEST)
        return gci_message_fail(EXIT_CANNOT_RUN, script->thing, "too many interpreters that are scripts themselves");
    if (asprintf(&thing, "%s (%s %s)", script->thing, how, path) < 0)
        return gci_message_fail(EXIT_OWN_FAILURE, script->thing, "out of memory");
    struct candidate next = {.path = path, .library = script->library, .depth = script->depth + 1, .file = -1};
    next.thing = thing;
    int code = check_candidate(&next, &content);
    if (code == 0 && (content == CONTENT_TEXT || content == CONTENT_UNKNOWN))
        code = gci_message_fail(EXIT_CANNOT_RUN, thing, "neither an ELF program nor a script");
    free(thing);
    return code;
}

static int check_content(struct candidate *candidate, enum content *content)
{
    struct elf_target target;
    *content = CONTENT_ELF;
    if (gci_elf_identify(candidate->head, candidate->head_bytes, &target))
        return check_elf(candidate, &target);
    char *interpreter = script_interpreter(candidate);
    if (interpreter) {
        *content = CONTENT_SCRIPT;
        int code = check_interpreter(candidate, interpreter, "interpreter");
        free(interpreter);
        return code;
    }
    *content = looks_like_text(candidate) ? CONTENT_TEXT : CONTENT_UNKNOWN;
    return 0;
}

static int check_candidate(struct candidate *candidate, enum content *content)
{
    int code = check_file(candidate);
    if (code == 0)
        code = read_head(candidate);
    if (code == 0)
        code = check_content(candidate, content);
    if (candidate->file >= 0)
        close(candidate->file);
    return code;
}

/* ---- Search ---- */

/* As a shell does, and unlike execvp: a directory that we may not search holds no program for us. */
static bool is_runnable_file(const char *path, bool *exists)
{
    struct stat status;
    *exists = stat(path, &status) == 0;
    return *exists && S_ISREG(status.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static char *join(const char *directory, size_t length, const char *name)
{
    char *path = NULL;
    if (length == 0)
        return asprintf(&path, "./%s", name) < 0 ? NULL : path; /* an empty element of PATH is the working directory */
    return asprintf(&path, "%.*s/%s", (int)length, directory, name) < 0 ? NULL : path;
}

/* The first file along PATH that may be executed, or else the first that is there at all (so that the message can say
 * what is wrong with it), or NULL. */
static char *search_path(const char *name)
{
    const char *list = getenv("PATH");
    char *blocked = NULL;
    if (!list)
        list = "/bin:/usr/bin"; /* what execvp takes then */
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ":");
        bool exists = false;
        char *path = join(at, length, name);
        if (path && is_runnable_file(path, &exists)) {
            free(blocked);
            return path;
        }
        if (exists && !blocked)
            blocked = path;
        else
            free(path);
        at += length;
        if (*at == '\0')
            return blocked;
    }
}

/* Text without "#!" is run by the shell, as execvp does. */
static int hand_to_shell(struct program *program, const struct candidate *candidate, char **words)
{
    size_t count = 0;
    while (words[count])
        count++;
    int code = check_interpreter(candidate, _PATH_BSHELL, "run by");
    if (code != 0)
        return code;
    char **shell_words = calloc(count + 2, sizeof *shell_words);
    char *shell = strdup(_PATH_BSHELL), *script = strdup(candidate->path);
    if (!shell_words || !shell || !script) {
        free(shell_words);
        free(shell);
        free(script);
        return gci_message_fail(EXIT_OWN_FAILURE, candidate->thing, "out of memory");
    }
    shell_words[0] = shell;
    shell_words[1] = script;
    memcpy(shell_words + 2, words + 1, (count - 1) * sizeof *words);
    *program = (struct program){.path = shell, .words = shell_words};
    return 0;
}

int gci_program_find(struct program *program, char **words, const char *library)
{
    enum content content;
    const char *path = words[0];
    if (path[0] == '\0')
        return gci_message_fail(EXIT_NOT_FOUND, "''", "a program's name cannot be empty");
    if (!strchr(path, '/')) {
        path = search_path(path);
        if (!path)
            return gci_message_fail(EXIT_NOT_FOUND, words[0], "not found in PATH");
    }
    *program = (struct program){.path = path, .words = words};
    struct candidate first = {.thing = path, .path = path, .library = library, .file = -1};
    int code = check_candidate(&first, &content);
    if (code == 0 && content == CONTENT_TEXT)
        code = hand_to_shell(program, &first, words);
    return code;
}
