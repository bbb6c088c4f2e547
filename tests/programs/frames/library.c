/* SPDX-License-Identifier: MIT */
/* A library that calls back. FRAME_BYTES is all that two of its kind differ in. */
void call(void (*function)(void));

void call(void (*function)(void))
{
    volatile char bytes[FRAME_BYTES];
    bytes[0] = 1;
    function();
    bytes[1] = bytes[0];
}
