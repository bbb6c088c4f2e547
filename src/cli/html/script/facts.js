/* SPDX-License-Identifier: MIT */
/* What the figures come to: the numbers behind the summary. Nothing here draws. */

const GROWTH_FIT = 0.8 // share of the variance that a straight line must explain to be called growth
const GROWTH_LEAST = 0.1 // of the mean
const GROWTH_BYTES = 64 * 1024

function sumOf(values) {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum
}

/* Sums by allocation site of values by leaf, largest first: [{node, value}], of each site the
 * node with most. */
function topSites(model, values, count) {
  const unknown = model.names.frames.length // its place in what goes by frames
  const sums = new Float64Array(unknown + 1),
    most = new Float64Array(unknown + 1)
  const nodes = new Int32Array(unknown + 1)
  for (let leaf = 0; leaf < values.length; leaf++) {
    if (values[leaf] === 0) continue
    const node = model.leaves[leaf]
    const site = node === 0 ? unknown : model.site(node)
    sums[site] += values[leaf]
    if (values[leaf] > most[site]) {
      most[site] = values[leaf]
      nodes[site] = node
    }
  }
  return Array.from(sums.keys())
    .filter(site => sums[site] > 0)
    .sort((a, b) => sums[b] - sums[a])
    .slice(0, count)
    .map(site => ({node: nodes[site], value: sums[site]}))
}

/* Leaks by stack: what is still there and what was collected, direct and indirect. */
function leakGroups(model) {
  const {leaks} = model.raw
  const groups = new Map()
  model.now.leakNode.forEach((node, i) => {
    const key = node * 2 + leaks.collected[i]
    let group = groups.get(key)
    if (!group) {
      group = {
        key,
        node,
        isUnknown: model.isUnknown(node),
        isCollected: leaks.collected[i] === 1,
        direct: 0,
        indirect: 0,
        objects: 0,
        first: Infinity,
        last: 0,
        found: 0,
        address: 0,
      }
      groups.set(key, group)
    }
    group[leaks.kind[i] === 1 ? 'direct' : 'indirect'] += leaks.bytes[i]
    group.objects += leaks.objects[i]
    if (leaks.first[i] > 0) group.first = Math.min(group.first, leaks.first[i])
    group.last = Math.max(group.last, leaks.last[i])
    group.found = Math.max(group.found, leaks.t[i])
    group.address = group.address || leaks.address[i]
  })
  return Array.from(groups.values(), group => Object.assign(group, {bytes: group.direct + group.indirect}))
}

/* A straight line through the later two thirds of what lives: bytes a second, or 0 where there is no clear growth. Exact
 * figures of collections come first, then those of the program's course. */
function growthRate(raw) {
  const source = raw.cycles.t.length >= 6 ? raw.cycles : raw.usage
  const from = (source.t[source.t.length - 1] || 0) / 3
  const points = source.t.map((t, i) => [t / 1e9, source.live[i]]).filter(point => point[0] * 1e9 >= from)
  if (points.length < 5) return 0
  const meanT = sumOf(points.map(point => point[0])) / points.length
  const mean = sumOf(points.map(point => point[1])) / points.length
  let tt = 0,
    ty = 0,
    yy = 0
  for (const [t, y] of points) {
    tt += (t - meanT) ** 2
    ty += (t - meanT) * (y - mean)
    yy += (y - mean) ** 2
  }
  const slope = tt > 0 ? ty / tt : 0
  const rise = slope * (points[points.length - 1][0] - points[0][0])
  const isClear = yy > 0 && (ty * ty) / (tt * yy) > GROWTH_FIT
  return isClear && rise > Math.max(GROWTH_BYTES, mean * GROWTH_LEAST) ? slope : 0
}

/* Sites that have more alive at each third of the run than at the one before, by how much they have grown. */
function growingSites(model) {
  const last = model.lastMoment
  if (last < 2) return []
  const thirds = model.now
    .liveAt([Math.floor(last / 3), Math.floor((last * 2) / 3)])
    .concat([model.now.at(last).live])
  const {node} = model.now
  const unknown = model.names.frames.length
  const nodes = new Int32Array(unknown + 1)
  const sums = thirds.map(live => {
    const bySite = new Float64Array(unknown + 1)
    for (let i = 0; i < live.length; i++) {
      const site = node[i] === 0 ? unknown : model.site(node[i])
      bySite[site] += live[i]
      if (live[i] > 0) nodes[site] = node[i]
    }
    return bySite
  })
  const grown = site => sums[2][site] - sums[0][site]
  return Array.from(nodes.keys())
    .filter(site => sums[1][site] > sums[0][site] && sums[2][site] > sums[1][site] && grown(site) > GROWTH_BYTES / 4)
    .map(site => ({node: nodes[site], value: grown(site)}))
    .sort((a, b) => b.value - a.value)
}

function nothingLeaked(model) {
  return model.raw.leaksKnown ? 'Nothing has leaked.' : 'What has leaked is not known: nobody has looked for it.'
}

function leakFacts(groups) {
  const still = groups.filter(group => !group.isCollected)
  const gone = groups.filter(group => group.isCollected)
  const bytes = sumOf(still.map(group => group.bytes))
  const known = sumOf(still.filter(group => !group.isUnknown).map(group => group.bytes))
  return {
    bytes,
    objects: sumOf(still.map(group => group.objects)),
    places: still.length,
    attributed: bytes > 0 ? known / bytes : 1,
    largest: still.filter(group => !group.isUnknown).sort((a, b) => b.bytes - a.bytes)[0],
    collectedBytes: sumOf(gone.map(group => group.bytes)),
    collectedObjects: sumOf(gone.map(group => group.objects)),
    collectedLargest: gone.filter(group => !group.isUnknown).sort((a, b) => b.bytes - a.bytes)[0],
  }
}

function gatherFacts(model) {
  const {raw} = model
  const {rows, usage, cycles, sizes} = raw
  const last = usage.t.length - 1
  const end = model.now.at(model.lastMoment)
  const allocations = Math.max(sumOf(rows.allocations), last < 0 ? 0 : usage.objects[last])
  const temporary = sumOf(rows.temporary)
  const committed = sumOf(sizes.committed)
  const heapPeak = usage.heap.reduce((top, value) => Math.max(top, value), 0)
  const residentPeak = usage.resident.reduce((top, value) => Math.max(top, value), 0)
  return {
    live: sumOf(end.live),
    liveObjects: sumOf(end.objects),
    allocated: Math.max(sumOf(rows.allocated), last < 0 ? 0 : usage.allocated[last]),
    allocations,
    temporary,
    temporaryShare: sumOf(rows.allocations) > 0 ? temporary / sumOf(rows.allocations) : 0,
    peak: heapPeak,
    peakTime: usage.t[usage.heap.indexOf(heapPeak)],
    residentPeak,
    residentPeakTime: usage.t[usage.resident.indexOf(residentPeak)],
    heapEnd: last < 0 ? 0 : usage.heap[last],
    residentEnd: last < 0 ? 0 : usage.resident[last],
    pauses: sumOf(cycles.pause),
    longest: cycles.pause.reduce((top, value) => Math.max(top, value), 0),
    freed: sumOf(cycles.freed),
    committed,
    unused: committed > 0 ? 1 - sumOf(sizes.live) / committed : NaN,
    samples: sumOf(rows.samples),
    growth: growthRate(raw),
    growing: growingSites(model),
    groups: leakGroups(model),
  }
}
