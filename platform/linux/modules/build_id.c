/* SPDX-License-Identifier: MIT */
/* Build ids for platform/image.h: program headers, then notes, as they lie in memory. */
#include <elf.h>
#include <link.h>
#include <string.h>

#include "base/bits.h"
#include "platform/image.h"

/* Programs have a dozen headers, and notes of some hundred bytes. */
#define HEADERS_MAX 64u
#define NOTES_BYTES_MAX 1024u

static bool read_all(const struct page_reader *pages, void *to, uintptr_t from, size_t bytes)
{
    return gci_pages_read(pages, to, from, bytes) == bytes;
}

static size_t find_in_notes(const char *notes, size_t bytes, uint8_t id[BUILD_ID_BYTES_MAX])
{
    size_t at = 0;
    while (at + sizeof(ElfW(Nhdr)) <= bytes) {
        ElfW(Nhdr) note;
        memcpy(&note, notes + at, sizeof note);
        size_t name = at + sizeof note;
        size_t content = name + align_up(note.n_namesz, 4);
        if (content > bytes || note.n_descsz > bytes - content)
            return 0;
        bool is_build_id = note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0;
        if (is_build_id && note.n_descsz <= BUILD_ID_BYTES_MAX) {
            memcpy(id, notes + content, note.n_descsz);
            return note.n_descsz;
        }
        at = content + align_up(note.n_descsz, 4);
    }
    return 0;
}

/* What the file's first byte would be at, were addresses those of the file. */
static uintptr_t bias_of(const ElfW(Phdr) *headers, size_t count, uintptr_t start)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD)
            return start - (headers[i].p_vaddr - headers[i].p_offset);
    return start;
}

size_t gci_image_build_id(const struct page_reader *pages, uintptr_t start, uint8_t id[BUILD_ID_BYTES_MAX])
{
    ElfW(Ehdr) header;
    ElfW(Phdr) headers[HEADERS_MAX];
    char notes[NOTES_BYTES_MAX];
    if (!read_all(pages, &header, start, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return 0;
    size_t count = header.e_phnum < HEADERS_MAX ? header.e_phnum : HEADERS_MAX;
    if (header.e_phentsize != sizeof *headers ||
        !read_all(pages, headers, start + header.e_phoff, count * sizeof *headers))
        return 0;
    uintptr_t bias = bias_of(headers, count, start);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = headers[i].p_filesz < sizeof notes ? headers[i].p_filesz : sizeof notes;
        if (headers[i].p_type != PT_NOTE || !read_all(pages, notes, bias + headers[i].p_vaddr, bytes))
            continue;
        size_t found = find_in_notes(notes, bytes, id);
        if (found != 0)
            return found;
    }
    return 0;
}
