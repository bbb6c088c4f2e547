/* SPDX-License-Identifier: MIT */
/* Trees for the flame graph: the model's nodes, merged by function (or line), from the outermost call inwards or turned around.
 * The shape depends on the options alone and is kept; values are summed up anew, which takes a pass over the nodes.
 */

/* Numbers of pairs (parent, key), in order of appearance: a parent's number is always below its children's. */
class PairTable {
  constructor() {
    this.mask = (1 << 16) - 1
    this.slots = new Int32Array(this.mask + 1).fill(-1)
    this.parent = new Int32Array(this.mask).fill(-1)
    this.key = new Int32Array(this.mask).fill(-1)
    this.count = 1
  }

  slot(parent, key) {
    let at = Math.imul(parent, 0x9e3779b1) ^ Math.imul(key + 1, 0x85ebca6b)
    at ^= at >>> 15
    for (at &= this.mask; ; at = (at + 1) & this.mask) {
      const number = this.slots[at]
      if (number < 0 || (this.parent[number] === parent && this.key[number] === key)) return at
    }
  }

  number(parent, key) {
    let at = this.slot(parent, key)
    if (this.slots[at] >= 0) return this.slots[at]
    if (this.count * 2 > this.mask) {
      this.grow()
      at = this.slot(parent, key)
    }
    this.parent[this.count] = parent
    this.key[this.count] = key
    this.slots[at] = this.count
    return this.count++
  }

  grow() {
    this.mask = this.mask * 4 + 3
    this.slots = new Int32Array(this.mask + 1).fill(-1)
    for (const name of ['parent', 'key']) {
      const longer = new Int32Array(this.mask)
      longer.set(this[name])
      this[name] = longer
    }
    for (let i = 1; i < this.count; i++) this.slots[this.slot(this.parent[i], this.key[i])] = i
  }
}

class Tree {
  /* options: inverted, lines, folded (recursion), allocator (its frames are shown) */
  constructor(model, options) {
    this.model = model
    this.options = options
    const pairs = new PairTable()
    this.end = new Int32Array(model.parent.length) // of each of the model's nodes: where its value goes
    if (options.inverted) this.growInverted(pairs)
    else this.growPlain(pairs)
    this.count = pairs.count
    this.parent = pairs.parent.slice(0, pairs.count)
    this.key = pairs.key.slice(0, pairs.count)
    this.link()
  }

  /* What a frame is told apart by; -1: it is left out. */
  keys() {
    const {lines, allocator} = this.options
    return Int32Array.from(this.model.names.frames, (frame, i) => {
      if (!allocator && frame.flags & ALLOCATOR) return -1
      return lines ? i : frame.fn
    })
  }

  growPlain(pairs) {
    const {parent, frame} = this.model
    const keys = this.keys()
    for (let node = 1; node < parent.length; node++) {
      const above = this.end[parent[node]]
      const key = keys[frame[node]]
      const isFolded = this.options.folded && above > 0 && pairs.key[above] === key
      this.end[node] = key < 0 || isFolded ? above : pairs.number(above, key)
    }
  }

  growInverted(pairs) {
    const {parent, frame} = this.model
    const keys = this.keys()
    for (const leaf of this.model.leaves) {
      let at = 0
      for (let node = leaf; node > 0; node = parent[node]) {
        const key = keys[frame[node]]
        if (key >= 0 && !(this.options.folded && at > 0 && pairs.key[at] === key)) at = pairs.number(at, key)
      }
      this.end[leaf] = at
    }
  }

  link() {
    this.child = new Int32Array(this.count).fill(-1)
    this.sibling = new Int32Array(this.count).fill(-1)
    for (let i = this.count - 1; i > 0; i--) {
      this.sibling[i] = this.child[this.parent[i]]
      this.child[this.parent[i]] = i
    }
  }

  /* Of the model's values by leaf: each tree node's own, and with all below it. */
  sum(values) {
    const {leaves} = this.model
    const own = new Float64Array(this.count)
    for (let leaf = 0; leaf < values.length; leaf++)
      if (values[leaf] !== 0) own[this.end[leaves[leaf]]] += values[leaf]
    const total = own.slice()
    for (let i = this.count - 1; i > 0; i--) total[this.parent[i]] += total[i]
    return {own, total}
  }

  frameAt(node) {
    const {names} = this.model
    const key = this.key[node]
    if (this.options.lines) return names.frames[key]
    const {name, module} = names.functions[key]
    return {fn: key, name, module, file: '', line: 0}
  }

  label(node) {
    if (node === 0) return 'all'
    const frame = this.frameAt(node)
    const {name} = this.model.names.functions[frame.fn]
    return this.options.lines && frame.file ? `${name} ${baseName(frame.file)}:${frame.line}` : name
  }
}
