/* SPDX-License-Identifier: MIT */
/* How the command asks a process that has the library loaded (world/request.h, profile/look/request.h), as both know it.
 *
 * The process shows a mapping named REQUEST_BEACON "SIGNAL:VERSION"; it holds nothing. The command writes the file
 * REQUEST_DIRECTORY "UID/PID" REQUEST_FILE, with the user and the process as the process itself sees them, and queues SIGNAL to
 * it with the value REQUEST_VALUE. The directory belongs to that user and is nobody else's (mode 0700). The file holds one
 * line: a number of the command's own, a verb, and words that the verb takes.
 *
 *   leaks             a profile: what has leaked; and figures by stack, if a profile is on
 *   graph             the same, and the heap as a graph
 *   profile           the figures alone
 *   start LEVEL RATE  a profile begins that has no file: enum profile_level, mean distance of samples in bytes (0: the level's)
 *   stop              it ends
 *
 * The process empties the file, does what it says, leaves what it has to show in PID REQUEST_RESULT, and says so in PID
 * REQUEST_ANSWER, which appears all at once: the number, and "ok" or words that tell why not. The command takes all away.
 */
#ifndef GCI_BASE_REQUEST_FORMAT_H
#define GCI_BASE_REQUEST_FORMAT_H

#define REQUEST_BEACON "gcalloc:"
#define REQUEST_VALUE 0x67637271 /* "qrcg" */

#define REQUEST_DIRECTORY "/tmp/gcalloc-"
#define REQUEST_FILE ".request"
#define REQUEST_RESULT ".result"
#define REQUEST_ANSWER ".answer"
#define REQUEST_BYTES_MAX 256 /* of the line, and of the answer */
#define REQUEST_PATH_BYTES 64

/* Instead of "ok". Both may be otherwise a moment later. */
#define REQUEST_BUSY "busy"
#define REQUEST_UNSTOPPED "not every thread of the process could be stopped"

#endif
