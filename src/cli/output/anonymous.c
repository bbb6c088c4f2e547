/* SPDX-License-Identifier: MIT */
/* Tokens are a kind of name and 64 bits of SipHash-2-4, whose key is made of the secret. */
#include "cli/output/anonymous.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

#define TOKEN_BYTES 32 /* "function_", 16 digits, and the end */

struct key {
    uint64_t low, high;
};

struct tokens {
    struct key key;
    char *next; /* where the next one goes */
};

/* ---- SipHash ---- */

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

static uint64_t hash(struct key key, const char *text)
{
    uint64_t v[4] = {key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d, key.low ^ 0x6c7967656e657261,
                     key.high ^ 0x7465646279746573};
    size_t length = strlen(text), at = 0;
    uint64_t word, last = (uint64_t)length << 56;
    for (; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        absorb(v, word);
    }
    for (unsigned shift = 0; at < length; at++, shift += 8)
        last |= (uint64_t)(unsigned char)text[at] << shift;
    absorb(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct key key_of(const char *secret)
{
    return (struct key){hash((struct key){0, 1}, secret), hash((struct key){0, 2}, secret)};
}

/* ---- Names ---- */

/* What stands in brackets is no name of anybody's. */
static const char *token(struct tokens *tokens, const char *kind, const char *name)
{
    if (!name || name[0] == '[' || name[0] == '\0')
        return name;
    char *made = tokens->next;
    tokens->next += TOKEN_BYTES;
    snprintf(made, TOKEN_BYTES, "%s_%016" PRIx64, kind, hash(tokens->key, name));
    return made;
}

static void replace_frames(struct profile *copy, struct tokens *tokens)
{
    for (size_t i = 0; i < copy->frame_count; i++) {
        struct profile_frame *frame = &copy->frames[i];
        frame->function = token(tokens, "function", frame->function);
        frame->file = token(tokens, "file", frame->file);
        frame->address = frame->offset = 0;
        frame->has_name = true; /* there is no address any more that says more */
    }
}

static void replace_modules(struct profile *copy, struct tokens *tokens)
{
    for (size_t i = 0; i < copy->module_count; i++) {
        struct profile_module *module = &copy->modules[i];
        module->path = module->name = token(tokens, "module", module->path);
        module->start = module->end = module->file_offset = 0;
        module->build_id[0] = '\0';
    }
}

static size_t count_words(const struct profile *profile)
{
    size_t count = 0;
    while (profile->words && profile->words[count])
        count++;
    return count;
}

static void *copied(const void *array, size_t count, size_t bytes)
{
    void *copy = gci_memory_take(count + 1, bytes); /* one more: also what ends a list of words */
    if (count > 0)
        memcpy(copy, array, count * bytes);
    return copy;
}

static void replace_texts(struct profile *copy, const char **words, size_t word_count, struct tokens *tokens)
{
    copy->path = "";
    copy->executable = token(tokens, "module", copy->executable);
    for (size_t i = 0; i < word_count; i++)
        words[i] = token(tokens, "word", words[i]);
    for (size_t i = 1; i < copy->thread_count; i++) /* 0 is no name but "several" */
        copy->threads[i] = token(tokens, "thread", copy->threads[i]);
}

struct anonymous *gci_anonymous_make(const struct profile *profile, const char *secret)
{
    struct anonymous *made = gci_memory_take(1, sizeof *made);
    size_t word_count = count_words(profile);
    struct profile *copy = &made->profile;
    const char **words = copied(profile->words, word_count, sizeof *words);
    *copy = *profile;
    copy->words = words;
    copy->frames = copied(profile->frames, profile->frame_count, sizeof *profile->frames);
    copy->modules = copied(profile->modules, profile->module_count, sizeof *profile->modules);
    copy->threads = copied(profile->threads, profile->thread_count, sizeof *profile->threads);
    made->texts = gci_memory_take(
        profile->frame_count * 2 + profile->module_count + profile->thread_count + word_count + 1, TOKEN_BYTES);
    struct tokens tokens = {key_of(secret), made->texts};
    replace_frames(copy, &tokens);
    replace_modules(copy, &tokens);
    replace_texts(copy, words, word_count, &tokens);
    return made;
}

void gci_anonymous_forget(struct anonymous *anonymous)
{
    if (!anonymous)
        return;
    free((void *)(uintptr_t)anonymous->profile.words);
    free(anonymous->profile.frames);
    free(anonymous->profile.modules);
    free(anonymous->profile.threads);
    free(anonymous->texts);
    free(anonymous);
}
