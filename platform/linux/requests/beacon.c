/* SPDX-License-Identifier: MIT */
/* platform/env.h: the mapping that says that this process may be asked, and by which signal. It is seen in /proc/PID/maps by who
 * may look there, needs no descriptor and no memory, and goes when another program takes the process over.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/request_format.h"
#include "base/text.h"
#include "platform/env.h"
#include "platform/linux/file.h"
#include "platform/vm.h"

#if !defined(MFD_NOEXEC_SEAL)
#define MFD_NOEXEC_SEAL 8u
#endif

static void *beacon; /* NULL: none is shown */
static const char *beacon_version;

void gci_env_hide_beacon(void)
{
    int saved = errno;
    if (beacon != NULL)
        munmap(beacon, gci_vm_page_bytes());
    beacon = NULL;
    errno = saved;
}

/* Kernels before 6.3 do not know the flag, later ones complain in their log where it is missing. */
static int create_file(const char *name)
{
    int file = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    return file < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : file;
}

/* The file is empty, and the page can be neither read nor written: only the name is there. */
void gci_env_show_beacon(int signal, const char *version)
{
    int saved = errno;
    struct text name;
    gci_env_hide_beacon();
    if (version != NULL)
        beacon_version = version;
    gci_text_init(&name);
    gci_text_add(&name, REQUEST_BEACON);
    gci_text_add_decimal(&name, (uint64_t)signal);
    gci_text_add(&name, ":");
    gci_text_add(&name, beacon_version);
    int file = create_file(name.bytes);
    if (file >= 0) {
        void *at = mmap(NULL, gci_vm_page_bytes(), PROT_NONE, MAP_PRIVATE, file, 0);
        beacon = at != MAP_FAILED ? at : NULL;
        file_close(file);
    }
    errno = saved;
}
