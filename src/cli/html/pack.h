/* SPDX-License-Identifier: MIT */
/* A stream into a stream: what is written to it goes on compressed (gzip) and spelled in base64, which nothing in a page has
 * to be escaped for. fclose ends it and leaves the other open, which says whether all could be written.
 */
#ifndef GCI_CLI_HTML_PACK_H
#define GCI_CLI_HTML_PACK_H

#include <stdio.h>

FILE *gci_pack_open(FILE *stream);

#endif
