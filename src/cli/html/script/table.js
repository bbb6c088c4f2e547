/* SPDX-License-Identifier: MIT */
/* Tables that are sorted by a click on a heading, show more rows when asked to, and open rows for what there is more to say. */

const ROWS_AT_FIRST = 25

/* A column of one figure of each row; `more`: share or help. */
const numberColumn = (title, name, format, more) => ({
  title,
  number: true,
  value: row => row[name],
  cell: row => format(row[name]),
  ...more,
})

/* columns: {title, help, value(row) for sorting and CSV, cell(row) what is shown, number, wide, share(row) a bar}.
 * options: label, sort (a column's number), open(row) more about a row, key(row), empty, csv (a file's name) */
class Table {
  constructor(columns, options) {
    this.columns = columns
    this.options = options
    this.sorted = options.sort || 0
    this.isUp = options.up || false
    this.limit = options.limit || ROWS_AT_FIRST
    this.opened = new Set()
    this.rows = []
    this.head = el(
      'tr',
      {},
      columns.map((column, i) => this.heading(column, i))
    )
    this.body = el('tbody')
    this.more = el('button', {class: 'more-rows', onclick: () => this.showMore()})
    this.box = el(
      'div',
      {class: 'table-box', tabindex: '0', role: 'region', 'aria-label': options.label},
      el('table', {}, el('caption', {class: 'unseen'}, options.label), el('thead', {}, this.head), this.body)
    )
    this.element = el('div', {}, this.box, this.more)
  }

  heading(column, i) {
    return el(
      'th',
      {class: column.number && 'number', scope: 'col', title: column.help},
      column.value ? el('button', {onclick: () => this.sortBy(i)}, column.title) : column.title
    )
  }

  sortBy(i) {
    this.isUp = this.sorted === i ? !this.isUp : !this.columns[i].number
    this.sorted = i
    this.draw()
    say(`Sorted by ${this.columns[i].title}, ${this.isUp ? 'ascending' : 'descending'}`)
  }

  showMore() {
    this.limit *= 4
    this.draw()
  }

  set(rows) {
    this.rows = rows
    this.draw()
  }

  draw() {
    const {value} = this.columns[this.sorted]
    const order = this.isUp ? 1 : -1
    const compare = (a, b) => (a < b ? -order : a > b ? order : 0)
    this.rows.sort((a, b) => compare(value(a), value(b)))
    Array.from(this.head.children).forEach((heading, i) => {
      if (i === this.sorted) heading.setAttribute('aria-sort', this.isUp ? 'ascending' : 'descending')
      else heading.removeAttribute('aria-sort')
    })
    this.body.replaceChildren(...this.rows.slice(0, this.limit).flatMap(row => this.drawRow(row)))
    if (this.rows.length === 0) {
      this.body.append(
        el('tr', {}, el('td', {class: 'empty', colspan: this.columns.length}, this.options.empty || 'Nothing here.'))
      )
    }
    const hidden = this.rows.length - this.limit
    this.more.hidden = hidden <= 0
    this.more.textContent = `Show more (${countText(Math.max(0, hidden))} hidden)`
  }

  drawRow(row) {
    const {open, key} = this.options
    const name = open ? key(row) : null
    const isOpen = open && this.opened.has(name)
    const line = el(
      'tr',
      {class: (open ? 'can' : '') + (isOpen ? ' open' : '')},
      this.columns.map((column, i) => this.cell(column, row))
    )
    if (!open) return [line]
    const button = el('button', {class: 'link', 'aria-expanded': String(isOpen)})
    const first = line.firstChild
    button.append(...first.childNodes)
    first.append(button)
    line.addEventListener('click', event => {
      if (event.target.closest('a, button') && !button.contains(event.target)) return
      if (String(getSelection()) !== '') return
      if (isOpen) this.opened.delete(name)
      else this.opened.add(name)
      this.draw()
      this.focusOn(name)
    })
    line.dataset.key = name
    return isOpen ? [line, el('tr', {class: 'inner'}, el('td', {colspan: this.columns.length}, open(row)))] : [line]
  }

  cell(column, row) {
    const share = column.share ? Math.max(0, Math.min(1, column.share(row))) : 0
    const names = [column.number && 'number', column.wide && 'wide', share > 0 && 'barred'].filter(Boolean).join(' ')
    return el('td', {class: names || null, style: share > 0 ? {'--share': share.toFixed(4)} : null}, column.cell(row))
  }

  focusOn(name) {
    const line = Array.from(this.body.children).find(row => row.dataset.key === String(name))
    const button = line && line.querySelector('button[aria-expanded]')
    if (button) button.focus({preventScroll: true})
  }

  /* Opens a row and brings it into view. */
  reveal(name) {
    const at = this.rows.findIndex(row => String(this.options.key(row)) === String(name))
    if (at < 0) return
    while (this.limit <= at) this.limit *= 4
    this.opened.add(this.options.key(this.rows[at]))
    this.draw()
    this.focusOn(name)
    this.body.querySelector('tr.open').scrollIntoView({block: 'center'})
  }

  csv() {
    const columns = this.columns.filter(column => column.value)
    return (
      csvLine(columns.map(column => column.title)) +
      this.rows.map(row => csvLine(columns.map(column => column.value(row)))).join('')
    )
  }
}

const nameOf = (name, where) => [
  el('bdi', {class: 'name'}, name),
  where ? [' ', el('span', {class: 'where'}, where)] : null,
]

/* A frame as name and place. */
function frameCell(model, frame) {
  return nameOf(
    model.functionOf(frame).name,
    frame.file ? `${baseName(frame.file)}:${frame.line}` : model.names.modules[frame.module]
  )
}

/* The place that stands for a stack. */
const siteCell = (model, node, unknown = 'unknown stack') =>
  model.isUnknown(node) ? unknown : frameCell(model, model.names.frames[model.site(node)])

const siteColumn = (model, title, unknown) => ({
  title,
  wide: true,
  value: row => model.siteText(row.node),
  cell: row => el('div', {class: 'clip'}, siteCell(model, row.node, unknown)),
})

function stackList(model, node) {
  const frames = model.isUnknown(node) ? [] : model.stack(node)
  return el(
    'ol',
    {class: 'stack'},
    frames.length === 0
      ? el('li', {}, 'No stack is known.')
      : frames.map(frame =>
          el(
            'li',
            {},
            el('bdi', {class: 'name', title: frame.file || null}, model.functionOf(frame).name),
            ' ',
            el(
              'span',
              {class: 'where'},
              frame.file ? `${frame.file}:${frame.line}` : model.names.modules[frame.module]
            ),
            frame.flags & INLINED ? [' ', el('span', {class: 'tag'}, 'inlined')] : null
          )
        )
  )
}

/* A small line of values over the moments. */
function spark(values) {
  if (values.length < 2) return null
  const top = Math.max(...values, 1)
  const points = values.map(
    (value, i) => `${((i * 100) / (values.length - 1)).toFixed(1)},${(19 - (value / top) * 18).toFixed(1)}`
  )
  const svg = svgOf('0 0 100 20', 'spark')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `from ${bytesText(values[0])} to ${bytesText(values[values.length - 1])}`)
  svg.append(shape('polyline', {points: points.join(' ')}))
  return svg
}

function shape(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

function svgOf(box, name) {
  return shape('svg', {viewBox: box, preserveAspectRatio: 'none', class: name, 'aria-hidden': 'true'})
}

/* Rows of label, bar and value. */
function bars(rows, format) {
  const top = Math.max(...rows.map(row => row.value), 1)
  return el(
    'div',
    {class: 'bars'},
    rows.map(row => [
      el('span', {}, row.label),
      el('span', {class: 'strip'}, el('i', {style: {width: ((row.value / top) * 100).toFixed(2) + '%'}})),
      el('span', {class: 'value'}, format(row.value), row.more ? el('span', {class: 'where'}, ' ' + row.more) : null),
    ])
  )
}
