/* SPDX-License-Identifier: MIT */
/* What every figure means. */

const HELP = [
  [
    'Heap',
    'Bytes of the blocks of gcalloc’s heap that are in use: the objects, the rounding up of their sizes, and ' +
      'room between them. Exact.',
  ],
  [
    'Resident',
    'What the whole process has in physical memory, as the system counts it: the heap, and also code, stacks, ' +
      'what libraries map by themselves, and the collector’s own tables.',
  ],
  [
    'Why resident and heap differ',
    'Resident is larger by everything that is not heap, and by heap that was freed and has not gone back to the ' +
      'system yet (it does within about two seconds). Resident is smaller where memory was reserved and never ' +
      'touched, or was swapped out. Memory from mmap that the program asks for itself is resident and in no figure ' +
      'of the heap.',
  ],
  [
    'Alive',
    'Allocated, and neither freed nor collected, at the end of the chosen window. Objects that the program has ' +
      'lost count until they are collected. An estimate, except at level full.',
  ],
  [
    'At the peak',
    'What was alive when the heap was largest so far. Compare it with what lives at the end: what is only in ' +
      'the peak makes the process large for a while.',
  ],
  [
    'Allocated, allocations',
    'Bytes and objects that were asked for in the window, also those freed since. A stack with nothing alive ' +
      'at a moment is not listed at it; what it allocated is then counted at the next moment that lists it, and ' +
      'at the end in any case.',
  ],
  [
    'Temporary',
    'Allocations that were freed almost at once: before the thread had asked for as much as lies between two ' +
      'samples. Many of them are work that a buffer on the stack, or one that is used again, would save.',
  ],
  [
    'Leaked',
    'Not freed, and no pointer leads there from stacks, registers, static data or living objects. Exact in bytes ' +
      'and objects. Direct: nothing points there. Indirect: only lost objects do. Which stack allocated them is ' +
      'known as far as samples saw them.',
  ],
  [
    'Leaked and collected',
    'The same, found while the program ran, and taken back by the collector. No memory is lost, but a plain ' +
      'malloc would have lost it.',
  ],
  ['Grown', 'What a place has more alive at the end of the window than at its begin.'],
  [
    'Retained',
    'What would go with an object: itself and everything that is reached only through it (what it dominates). ' +
      'For a place: all of its objects together, nothing counted twice.',
  ],
  [
    'Doubtful words',
    'The collector takes every word that looks like a pointer for one. A word that points to an odd place ' +
      'inside of an object is probably a number. What only such words hold may be garbage that is kept by chance.',
  ],
  [
    '± (error of estimates)',
    'At level sample, one in so many bytes is looked at, at random; each sample stands for the bytes between. A ' +
      'figure made of n samples is right to about 1/√n: 100 samples ±10 %, 10,000 samples ±1 %; of objects larger ' +
      'than the distance nearly all are seen. Two times in three it is closer than that, and 19 times in 20 closer ' +
      'than twice that. What is small may be seen by no sample at all.',
  ],
  [
    'Exact figures',
    'Leaks, collections and pauses, heap and resident memory, the graph (why alive), size classes. At level ' +
      'full, everything.',
  ],
  [
    'Lifetimes, ages',
    'How long objects lived that are gone; how long ago those were allocated that live. A place whose objects ' +
      'all become old while their number grows is often a leak that is still reachable, such as a cache without ' +
      'a bound.',
  ],
  [
    'Unused in blocks, filled',
    'A block holds objects of one size class. Filled is the part of its memory that living objects asked for; ' +
      'the rest is rounding, free slots, and room at the end. Other allocators call it fragmentation.',
  ],
  ['Keys in the flame graph', 'Arrow keys go from box to box, Enter goes into one and back out, Escape resets.'],
]

function drawHelp() {
  const dialog = byId('help')
  dialog.append(
    el('button', {class: 'end', onclick: () => dialog.close()}, 'Close'),
    el('h2', {id: 'help-title'}, 'What the figures mean'),
    el(
      'dl',
      {},
      HELP.map(([term, text]) => [el('dt', {}, term), el('dd', {}, text)])
    )
  )
  dialog.addEventListener('click', event => {
    if (event.target === dialog) dialog.close()
  })
}
