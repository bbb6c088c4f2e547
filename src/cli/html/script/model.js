/* SPDX-License-Identifier: MIT */
/* The profile in memory. What data.c has written is numbers, then JSON that says where each column of them is, then its length:
 *   frames   function, file, module (numbers of texts), line, flags: 1 allocator's own, 2 inlined, 4 the unknown one
 *   nodes    the stacks as a tree: depth and frame, each node right behind its parent's subtree so far; node 0 is the root
 *   rows     a node and a thread each, with sums over the run
 *   moments  what changed in the rows since the moment before: live, objects, allocated, allocations, reclaimed, temporary
 *   leaks, leakNodes, usage, cycles, sizes, graph
 * A second profile to compare with (base) has its frames and nodes appended to these, so that a tree shows both.
 */

const ALLOCATOR = 1
const INLINED = 2
const UNKNOWN = 4
const KEPT_STATES = 5
const BINS = 12 // of lifetimes and ages: up to 1 ms, 4 ms, 16 ms ...
const REASONS = ['', 'timer', 'peak', 'asked for', 'exit']

const LENGTH_DIGITS = 16

/* Numbers of seven bits a byte, the lowest first. They stay packed where they are long and read once in a while. */
class Column {
  constructor(bytes, at, count) {
    Object.assign(this, {bytes, at, count})
  }

  /* Calls nothing for each number, for there are millions: target[where[i]], or target[i], is the number. */
  spread(target, where) {
    const {bytes, count} = this
    let {at} = this
    for (let i = 0; i < count; i++) {
      let byte = bytes[at++]
      let value = byte & 127
      for (let unit = 128; byte > 127; unit *= 128) {
        byte = bytes[at++]
        value += (byte & 127) * unit
      }
      target[where ? where[i] : i] = value
    }
    return target
  }

  /* Rows, which are written as steps from one to the next. */
  rows() {
    const rows = this.spread(new Int32Array(this.count))
    for (let i = 1; i < rows.length; i++) rows[i] += rows[i - 1]
    return rows
  }
}

/* Columns of these are arrays of numbers of their own kind; those of moments stay packed; all others are plain arrays. */
const TYPED = new Set(['rows', 'nodes', 'lifetimes', 'ages'])
const PACKED = new Set(['moments', 'peak', 'state'])

function unpackColumns(value, bytes, kind) {
  if (Array.isArray(value)) return value.map(item => unpackColumns(item, bytes, kind))
  if (value === null || typeof value !== 'object') return value
  if ('@' in value) {
    const column = new Column(bytes, ...value['@'])
    return PACKED.has(kind)
      ? column
      : column.spread(TYPED.has(kind) ? new Float64Array(column.count) : new Array(column.count))
  }
  for (const [name, item] of Object.entries(value)) {
    value[name] = unpackColumns(item, bytes, TYPED.has(name) || PACKED.has(name) ? name : kind)
  }
  return value
}

/* Base64, in lines of whole groups of four, to bytes. atob would make text of it first, which takes three times as long. */
function bytesOf(spelled) {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const values = new Uint8Array(256).fill(64)
  for (let i = 0; i < digits.length; i++) values[digits.charCodeAt(i)] = i
  const letters = new TextEncoder().encode(spelled)
  const bytes = new Uint8Array(letters.length)
  let count = 0
  for (let i = 0; i + 3 < letters.length;) {
    if (letters[i] === 10) {
      i++
      continue
    }
    const third = values[letters[i + 2]],
      fourth = values[letters[i + 3]]
    const bits = (values[letters[i]] << 18) | (values[letters[i + 1]] << 12) | ((third & 63) << 6) | (fourth & 63)
    bytes[count++] = bits >> 16
    bytes[count++] = bits >> 8
    bytes[count++] = bits
    if (fourth === 64) count -= third === 64 ? 2 : 1 // = at the end
    i += 4
  }
  return bytes.subarray(0, count)
}

async function unpack(id) {
  const spelled = byId(id).textContent
  byId(id).textContent = ''
  if (!spelled) return null
  const stream = new Blob([bytesOf(spelled)]).stream().pipeThrough(new DecompressionStream('gzip'))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  const text = new TextDecoder()
  const end = bytes.length - LENGTH_DIGITS
  const begin = end - Number(text.decode(bytes.subarray(end)))
  return unpackColumns(JSON.parse(text.decode(bytes.subarray(begin, end))), bytes, '')
}

/* Functions are told apart by name and module; lines of one function are one function. */
class Names {
  constructor() {
    this.functions = [] // {name, module}
    this.numbers = new Map()
    this.modules = []
    this.moduleNumbers = new Map()
    this.frames = [] // {fn, file, line, module, flags}
    this.nodes = 1
    this.parent = new Int32Array(0) // of each node
    this.frame = new Int32Array(0)
  }

  /* Room for the nodes of all profiles that will be added. */
  reserve(count) {
    this.parent = new Int32Array(count).fill(-1)
    this.frame = new Int32Array(count).fill(-1)
  }

  numberModule(name) {
    let number = this.moduleNumbers.get(name)
    if (number === undefined) this.moduleNumbers.set(name, (number = this.modules.push(name) - 1))
    return number
  }

  numberFunction(name, module) {
    const key = name + '\0' + module
    let number = this.numbers.get(key)
    if (number === undefined) this.numbers.set(key, (number = this.functions.push({name, module}) - 1))
    return number
  }

  /* Appends the frames and nodes of a profile; the number of its node 0 here. */
  add(raw) {
    const {frames, nodes, texts} = raw
    const firstFrame = this.frames.length
    for (let i = 0; i < frames.function.length; i++) {
      const module = this.numberModule(texts[frames.module[i]])
      this.frames.push({
        fn: this.numberFunction(texts[frames.function[i]], module),
        file: texts[frames.file[i]],
        line: frames.line[i],
        module,
        flags: frames.flags[i],
      })
    }
    const first = this.nodes - 1
    const {parent, frame} = this
    const last = [0] // the latest node of each depth
    for (let i = 1; i < nodes.depth.length; i++) {
      const depth = nodes.depth[i]
      parent[first + i] = last[depth - 1]
      frame[first + i] = firstFrame + nodes.frame[i]
      last[depth] = first + i
    }
    this.nodes += nodes.depth.length - 1
    return first
  }
}

/* One profile's rows and their state at any moment. */
class Rows {
  constructor(raw, names) {
    this.raw = raw
    this.first = names.add(raw)
    this.count = raw.rows.node.length
    this.node = Int32Array.from(raw.rows.node, node => this.nodeAt(node))
    this.thread = Int32Array.from(raw.rows.thread)
    this.leakNode = raw.leakNodes.map(node => this.nodeAt(node))
    this.peak = raw.peak[0] ? this.unpackPeak(raw.peak[0]) : null
    this.states = new Map()
    this.order = []
  }

  unpackPeak(peak) {
    const live = peak.state.live.spread(new Float64Array(peak.row.count))
    return {row: peak.row.rows(), state: {live}}
  }

  nodeAt(node) {
    return node === 0 ? 0 : this.first + node
  }

  static figures = ['live', 'objects', 'allocated', 'allocations', 'reclaimed', 'temporary']

  /* What each row has come to at a moment; -1: before the first, when all is 0. The last is in the rows themselves; of
   * others some are kept, and new ones begin at the nearest. */
  at(moment) {
    if (moment === this.raw.moments.length - 1) return this.raw.rows
    if (this.states.has(moment)) return this.states.get(moment)
    const nearest = Math.max(-1, ...Array.from(this.states.keys()).filter(kept => kept < moment))
    const from = this.states.get(nearest)
    const state = {}
    for (const figure of Rows.figures) state[figure] = from ? from[figure].slice() : new Float64Array(this.count)
    for (let m = nearest + 1; m <= moment && m < this.raw.moments.length; m++) this.replay(state, this.raw.moments[m])
    this.states.set(moment, state)
    this.order.push(moment)
    if (this.order.length > KEPT_STATES) this.states.delete(this.order.shift())
    return state
  }

  replay(state, moment) {
    const rows = moment.row.rows()
    for (const figure of Rows.figures) moment.state[figure].spread(state[figure], rows)
  }

  /* What is alive at some moments, in their order: less to unpack than all figures. */
  liveAt(moments) {
    const live = new Float64Array(this.count)
    let next = 0
    return moments.map(moment => {
      for (; next <= moment; next++) this.raw.moments[next].state.live.spread(live, this.raw.moments[next].row.rows())
      return live.slice()
    })
  }

  /* Live bytes over all moments of the rows that `has` says, for small charts. */
  course(has) {
    const live = new Float64Array(this.count)
    const isIn = Uint8Array.from(live, (_, row) => (has(row) ? 1 : 0))
    let sum = 0
    return this.raw.moments.map(moment => {
      const values = moment.state.live.spread(new Float64Array(moment.row.count))
      moment.row.rows().forEach((row, i) => {
        if (!isIn[row]) return
        sum += values[i] - live[row]
        live[row] = values[i]
      })
      return sum
    })
  }
}

/* What can be measured. row: a figure of rows, at the end of the window, or since its begin; leak(leaks, i): of leaks; peak: a
 * figure at the peak. */
const METRICS = {
  live: {name: 'Alive', unit: 'bytes', row: 'live'},
  objects: {name: 'Alive, objects', unit: 'objects', row: 'objects'},
  peak: {name: 'At the peak', unit: 'bytes', peak: 'live'},
  allocated: {name: 'Allocated', unit: 'bytes', row: 'allocated', since: true},
  allocations: {name: 'Allocations', unit: 'objects', row: 'allocations', since: true},
  temporary: {name: 'Temporary allocations', unit: 'objects', row: 'temporary', since: true},
  leaked: {name: 'Leaked, still there', unit: 'bytes', leak: (leaks, i) => (leaks.collected[i] ? 0 : leaks.bytes[i])},
  lost: {name: 'Leaked, objects', unit: 'objects', leak: (leaks, i) => (leaks.collected[i] ? 0 : leaks.objects[i])},
  collected: {
    name: 'Leaked and collected',
    unit: 'bytes',
    leak: (leaks, i) => (leaks.collected[i] ? leaks.bytes[i] : 0),
  },
  grown: {name: 'Grown in the window', unit: 'bytes', row: 'live', since: true},
}

const formatOf = metric => (METRICS[metric].unit === 'bytes' ? bytesText : countText)

class Model {
  constructor(raw, base) {
    this.raw = raw
    this.names = new Names()
    this.names.reserve(raw.nodes.depth.length + (base ? base.nodes.depth.length : 0))
    this.now = new Rows(raw, this.names)
    this.base = base ? new Rows(base, this.names) : null
    this.parent = this.names.parent.subarray(0, this.names.nodes)
    this.frame = this.names.frame.subarray(0, this.names.nodes)
    this.listLeaves()
    this.findSites()
    this.measured = new Map()
    this.lastMoment = raw.moments.length - 1
    this.selection = {from: -1, to: this.lastMoment, thread: -1, focus: -1}
    this.listeners = []
    this.inFocus = null // of each node whether its stack goes through the function in focus
  }

  /* The nodes that anything was allocated at by itself, which are far fewer than all: values go by their order here. */
  listLeaves() {
    this.order = new Int32Array(this.parent.length).fill(-1)
    const sides = this.base ? [this.now, this.base] : [this.now]
    for (const side of sides) {
      for (const node of side.node) this.order[node] = 0
      for (const node of side.leakNode) this.order[node] = 0
    }
    this.leaves = new Int32Array(this.order.length)
    let count = 0
    for (let node = 0; node < this.order.length; node++) if (this.order[node] === 0) this.leaves[count++] = node
    this.leaves = this.leaves.slice(0, count)
    this.leaves.forEach((node, i) => (this.order[node] = i))
  }

  /* Of each node the frame where its stack allocates: the innermost that is not the allocator's; -1 of the root. */
  findSites() {
    const {parent, frame} = this
    const isAllocator = Uint8Array.from(this.names.frames, ({flags}) => flags & ALLOCATOR)
    const outer = new Int32Array(parent.length).fill(-1)
    this.sites = new Int32Array(parent.length).fill(-1)
    for (let node = 1; node < parent.length; node++) {
      outer[node] = isAllocator[frame[node]] ? outer[parent[node]] : frame[node]
      this.sites[node] = outer[node] >= 0 ? outer[node] : frame[node]
    }
  }

  onChange(call) {
    this.listeners.push(call)
  }

  select(change) {
    Object.assign(this.selection, change)
    this.measured.clear()
    const {focus} = this.selection
    if ('focus' in change)
      this.inFocus = focus < 0 ? null : this.nodesThrough(frame => this.names.frames[frame].fn === focus)
    for (const call of this.listeners) call()
  }

  isWhole() {
    const {from, to, thread, focus} = this.selection
    return from < 0 && to === this.lastMoment && thread < 0 && focus < 0
  }

  /* Of each node whether a frame of its stack is one that `has` says. */
  nodesThrough(has) {
    const through = new Uint8Array(this.parent.length)
    for (let node = 1; node < through.length; node++) {
      through[node] = through[this.parent[node]] || (has(this.frame[node]) ? 1 : 0)
    }
    return through
  }

  /* Value of a metric for each of the leaves: what was allocated there by itself. Kept until another selection, and not to
   * be changed. */
  measure(metric, side = this.now) {
    const key = metric + (side === this.now ? '' : ' before')
    if (!this.measured.has(key)) this.measured.set(key, this.measureAnew(metric, side))
    return this.measured.get(key)
  }

  measureAnew(metric, side) {
    const values = new Float64Array(this.leaves.length)
    const rule = METRICS[metric]
    const takes = node => !this.inFocus || this.inFocus[node]
    if (rule.leak) this.addLeaks(values, rule, side, takes)
    else if (rule.peak) this.addPeak(values, rule, side, takes)
    else this.addRows(values, rule, side, takes)
    return values
  }

  addLeaks(values, rule, side, takes) {
    const {leaks} = side.raw
    const [begin, end] = side === this.now ? this.times() : [0, Infinity]
    side.leakNode.forEach((node, i) => {
      const isIn = leaks.last[i] === 0 || (leaks.last[i] >= begin && leaks.first[i] <= end)
      if (isIn && takes(node)) values[this.order[node]] += rule.leak(leaks, i)
    })
  }

  addPeak(values, rule, side, takes) {
    if (!side.peak) return
    const {thread} = this.selection
    side.peak.row.forEach((row, i) => {
      if (takes(side.node[row]) && (thread < 0 || side.thread[row] === thread)) {
        values[this.order[side.node[row]]] += side.peak.state[rule.peak][i]
      }
    })
  }

  addRows(values, rule, side, takes) {
    const isNow = side === this.now
    const {from, to, thread} = this.selection
    const now = side.at(isNow ? to : side.raw.moments.length - 1)[rule.row]
    const before = rule.since ? side.at(isNow ? from : -1)[rule.row] : null
    for (let i = 0; i < side.count; i++) {
      if (now[i] === 0 || (isNow && thread >= 0 && side.thread[i] !== thread) || !takes(side.node[i])) continue
      values[this.order[side.node[i]]] += before ? Math.max(0, now[i] - before[i]) : now[i]
    }
  }

  /* Begin and end of the window. */
  times() {
    const {from, to} = this.selection
    const {moments} = this.raw
    return [from < 0 ? 0 : moments[from].t, to === this.lastMoment || to < 0 ? Infinity : moments[to].t]
  }

  /* The frames of a stack from the innermost outwards; without the allocator's own unless there are no others. */
  stack(node) {
    const all = []
    for (; node > 0; node = this.parent[node]) all.push(this.names.frames[this.frame[node]])
    const shown = all.filter(frame => !(frame.flags & ALLOCATOR))
    return shown.length > 0 ? shown : all
  }

  site(node) {
    return this.sites[node]
  }

  /* No sample saw who allocated there. */
  isUnknown(node) {
    return node === 0 || (this.names.frames[this.site(node)].flags & UNKNOWN) !== 0
  }

  functionOf(frame) {
    return this.names.functions[frame.fn]
  }

  /* "name (file.c:12)" as text. */
  siteText(node) {
    if (this.isUnknown(node)) return 'unknown stack'
    const frame = this.names.frames[this.site(node)]
    return this.functionOf(frame).name + (frame.file ? ` (${baseName(frame.file)}:${frame.line})` : '')
  }

  /* Of each row the variance of what is estimated: of a metric of rows, in its unit. A sample is taken of an object of S bytes
   * with the chance p = 1 - exp(-S / rate), and counts 1 / p times: of N objects the variance is N (1 - p) / p times S². */
  rowVariances(metric) {
    const {from, to} = this.selection
    const {row: figure, unit} = METRICS[metric]
    const isLive = figure === 'live' || figure === 'objects'
    const now = this.now.at(to),
      before = this.now.at(isLive ? -1 : from)
    const [bytes, objects] = isLive ? ['live', 'objects'] : ['allocated', 'allocations']
    const variances = new Float64Array(this.now.count)
    for (let row = 0; row < variances.length; row++) {
      const count = now[objects][row] - before[objects][row]
      if (count <= 0) continue
      const size = (now[bytes][row] - before[bytes][row]) / count
      const chance = Math.max(1 - Math.exp(-size / this.raw.rate), 1e-12)
      variances[row] = (count * (unit === 'bytes' ? size * size : 1) * (1 - chance)) / chance
    }
    return variances
  }

  /* The same by leaf, of the rows that are chosen. */
  variances(metric) {
    const {thread} = this.selection
    const sums = new Float64Array(this.leaves.length)
    this.rowVariances(metric).forEach((variance, row) => {
      const node = this.now.node[row]
      if ((thread < 0 || this.now.thread[row] === thread) && (!this.inFocus || this.inFocus[node]))
        sums[this.order[node]] += variance
    })
    return sums
  }

  /* The likely relative error of a metric's sum; 0 where it is exact. */
  error(metric) {
    const sum = sumOf(this.measure(metric))
    return this.raw.level === 3 || !METRICS[metric].row || sum === 0
      ? 0
      : Math.sqrt(sumOf(this.variances(metric))) / sum
  }
}
