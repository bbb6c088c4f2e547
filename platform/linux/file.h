/* SPDX-License-Identifier: MIT */
/* Files by the bare system calls. The C library's open, read, write and close are cancellation points: in a thread that is
 * to be cancelled they would not return, and what a collection holds and blocks would stay so for ever.
 */
#ifndef GCI_PLATFORM_LINUX_FILE_H
#define GCI_PLATFORM_LINUX_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static inline int file_open(const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static inline int file_open_to_read(const char *path)
{
    return file_open(path, O_RDONLY, 0);
}

static inline ssize_t file_read(int file, void *to, size_t bytes)
{
    return syscall(SYS_read, file, to, bytes);
}

static inline ssize_t file_read_at(int file, void *to, size_t bytes, off_t at)
{
    return syscall(SYS_pread64, file, to, bytes, at);
}

static inline ssize_t file_write(int file, const void *bytes, size_t count)
{
    return syscall(SYS_write, file, bytes, count);
}

static inline ssize_t file_write_at(int file, const void *bytes, size_t count, off_t at)
{
    return syscall(SYS_pwrite64, file, bytes, count, at);
}

static inline void file_close(int file)
{
    syscall(SYS_close, file);
}

#endif
