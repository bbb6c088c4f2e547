/* SPDX-License-Identifier: MIT */
/* What is asked of an address, and what is answered: modules as they were mapped, and the functions that an address lies in. */
#ifndef GCI_CLI_FRAME_H
#define GCI_CLI_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_NO_MODULE UINT32_MAX

struct profile_module {
    const char *path; /* as mapped; "[unknown]" */
    const char *name; /* its last component */
    uint64_t start, end, file_offset;
    char build_id[41]; /* hexadecimal; "" where there is none */
};

/* All of a process, by their numbers. */
struct profile_modules {
    const struct profile_module *all;
    size_t count;
    uint64_t since_seconds; /* when they were mapped, at the latest, in seconds of the calendar */
};

/* One function of one stack. An address inside inlined functions gives several frames. */
struct profile_frame {
    const char *function; /* demangled; "module+0x1234", or an address alone, where nothing is known */
    const char *file;     /* NULL where unknown */
    uint32_t line;        /* 0 where unknown */
    bool has_name;        /* function is one, and no address */
    bool is_inlined;      /* into the next frame outwards */
    bool is_allocator;    /* gcalloc's own or the C library's wrapper: left out of what people read */
    uint32_t module;      /* number, or PROFILE_NO_MODULE */
    uint64_t address;     /* return address; 0 for a place of the source */
    uint64_t offset;      /* of the call in the module's file: one byte before the return address */
};

struct symbol_lookup {
    uint64_t address;             /* within the call */
    uint32_t module;              /* or PROFILE_NO_MODULE */
    uint32_t count;               /* the answer: 0 where nothing is known */
    struct profile_frame *frames; /* innermost first; with function, file, line, has_name and is_inlined */
};

#endif
