/* SPDX-License-Identifier: MIT */
/* Which file: by build id wherever the profile has one. Without, a file that changed after the profile began is not trusted.
 * Where code lies: from the segment that the mapping shows, for an executable at a fixed place as for one at any place. Debug
 * files keep their segments' addresses but not their offsets.
 */
#include "cli/symbols/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/memory.h"
#include "cli/base/message.h"

#define USUAL_FOLDERS ":.debug:/usr/lib/debug" /* beside the file, and where distributions have them */
#define PAGE_MASK (~(uint64_t)4095)
#define DELETED " (deleted)" /* the kernel's mark behind a path */

static char *search_path;         /* NULL: libdw's own, the same as USUAL_FOLDERS */
static const char *extra_folders; /* NULL: none */

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &search_path,
};

void gci_image_look_in(const char *folders)
{
    free(search_path);
    extra_folders = folders;
    if (asprintf(&search_path, "%s:%s", USUAL_FOLDERS, folders) < 0)
        search_path = NULL;
}

/* Opening what is no file, as a profile of another machine may name it, could wait for ever. */
static bool load(struct image *image, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    image->dwfl = dwfl_begin(&callbacks);
    if (!image->dwfl)
        return false;
    image->module = dwfl_report_elf(image->dwfl, path, path, -1, 0, true);
    dwfl_report_end(image->dwfl, NULL, NULL);
    if (image->module)
        return true;
    gci_image_close(image);
    return false;
}

void gci_image_close(struct image *image)
{
    dwfl_end(image->dwfl);
    *image = (struct image){0};
}

/* ---- Is it the one? ---- */

/* Whether the loaded file has the build id that was mapped. */
static bool has_build_id(const struct image *image, const char *wanted)
{
    const unsigned char *bits;
    GElf_Addr address;
    int length = dwfl_module_build_id(image->module, &bits, &address);
    if (length <= 0 || strlen(wanted) != (size_t)length * 2)
        return false;
    for (int i = 0; i < length; i++) {
        char byte[3];
        snprintf(byte, sizeof byte, "%02x", bits[i]);
        if (memcmp(byte, wanted + (size_t)i * 2, 2) != 0)
            return false;
    }
    return true;
}

static bool is_older(const char *path, uint64_t seconds)
{
    struct stat status;
    return stat(path, &status) == 0 && (uint64_t)status.st_mtime <= seconds;
}

/* Loads the file at the module's path if it is the one; else says in a few words why not. */
static const char *load_mapped(struct image *image, const struct profile_module *module, uint64_t since_seconds)
{
    size_t length = strlen(module->path), mark = strlen(DELETED);
    char *path = strdup(module->path);
    const char *fault = NULL;
    if (!path)
        return "out of memory";
    if (length > mark && strcmp(path + length - mark, DELETED) == 0)
        path[length - mark] = '\0';
    if (access(path, R_OK) != 0)
        fault = "cannot be read any more";
    else if (!load(image, path))
        fault = "is no ELF file";
    else if (module->build_id[0] ? !has_build_id(image, module->build_id) : !is_older(path, since_seconds))
        fault = module->build_id[0] ? "is not the file that ran (another build id)" : "has changed since it ran";
    if (fault && image->module)
        gci_image_close(image);
    free(path);
    return fault;
}

/* The debug file alone, FOLDER/.build-id/ab/cdef.debug. */
static bool load_debug_file(struct image *image, const char *folders, const char *build_id)
{
    for (const char *at = folders; strlen(build_id) > 2;) {
        size_t length = strcspn(at, ":");
        char *path = NULL;
        if (length > 0 && *at == '/' &&
            asprintf(&path, "%.*s/.build-id/%.2s/%s.debug", (int)length, at, build_id, build_id + 2) < 0)
            path = NULL;
        bool found = path && access(path, R_OK) == 0 && load(image, path);
        free(path);
        if (found && has_build_id(image, build_id))
            return true;
        if (found)
            gci_image_close(image);
        at += length;
        if (*at++ == '\0')
            break;
    }
    return false;
}

/* ---- Where its code lies ---- */

static bool find_code(struct image *image, const struct profile_module *module, bool is_debug_file)
{
    GElf_Addr ignored;
    Elf *elf = dwfl_module_getelf(image->module, &ignored);
    size_t count = 0;
    bool found = false;
    if (!elf || elf_getphdrnum(elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD)
            continue;
        if (segment.p_vaddr + segment.p_memsz > image->data_end)
            image->data_end = segment.p_vaddr + segment.p_memsz;
        bool shown = (segment.p_flags & PF_X) != 0 &&
                     (is_debug_file || (module->file_offset >= (segment.p_offset & PAGE_MASK) &&
                                        module->file_offset < segment.p_offset + segment.p_filesz));
        if (!shown || found)
            continue;
        found = true;
        image->bias = module->start - (is_debug_file ? segment.p_vaddr & PAGE_MASK
                                                     : segment.p_vaddr - segment.p_offset + module->file_offset);
        image->code_start = segment.p_vaddr;
        image->code_end = segment.p_vaddr + segment.p_memsz;
    }
    return found;
}

bool gci_image_open(struct image *image, const struct profile_modules *modules, uint32_t number, bool quiet)
{
    const struct profile_module *module = &modules->all[number];
    *image = (struct image){0};
    if (module->path[0] != '/')
        return false; /* the kernel's, or no file */
    const char *fault = load_mapped(image, module, modules->since_seconds);
    bool is_debug_file = fault && (load_debug_file(image, "/usr/lib/debug", module->build_id) ||
                                   (extra_folders && load_debug_file(image, extra_folders, module->build_id)));
    if (image->module && find_code(image, module, is_debug_file))
        return true;
    if (image->module)
        gci_image_close(image);
    if (!quiet)
        gci_message_fail(0, module->path, "%s, so its functions have no names", fault ? fault : "has no such code");
    return false;
}
