/* SPDX-License-Identifier: MIT */
/* Leaks by the stack that allocated them, with what helps to end them. */

const LEAK_VIEWS = {all: 'All', still: 'Still there', collected: 'Collected'}

class Leaks {
  constructor(app) {
    this.app = app
    this.model = app.model
    this.view = app.facts.groups.some(group => !group.isCollected) ? 'still' : 'all'
    this.table = new Table(this.columns(), {
      label: 'Leaks',
      sort: 2,
      key: row => row.key,
      open: row => this.more(row),
      empty: nothingLeaked(app.model),
    })
    this.count = el('p', {class: 'note', role: 'status'})
    this.element = newSection(
      'leaks',
      'Leaks',
      lead(
        'Objects that were never freed and that no pointer leads to any more, by the stack that allocated ' +
          'them. Indirect ones are reached from other lost objects only: they go when those do. Bytes and ' +
          'objects are exact.'
      ),
      this.controls(),
      this.count,
      this.table.element
    )
    app.draws(this.element, () => this.refresh())
  }

  controls() {
    this.buttons = Object.keys(LEAK_VIEWS).map(view =>
      el(
        'button',
        {'aria-pressed': String(view === this.view), onclick: () => this.setView(view)},
        `${LEAK_VIEWS[view]} (${countText(this.app.facts.groups.filter(group => this.has(view, group)).length)})`
      )
    )
    return el(
      'div',
      {class: 'controls', role: 'group', 'aria-label': 'Which leaks'},
      this.buttons,
      el('button', {onclick: () => saveFile('leaks.csv', 'text/csv', this.table.csv())}, 'Save as CSV'),
      el('button', {id: 'copy-suppressions', onclick: () => this.copyAll()}, 'Copy suppressions of all shown')
    )
  }

  has(view, group) {
    return view === 'all' || group.isCollected === (view === 'collected')
  }

  setView(view) {
    this.view = view
    this.buttons.forEach((button, i) =>
      button.setAttribute('aria-pressed', String(Object.keys(LEAK_VIEWS)[i] === view))
    )
    this.refresh()
  }

  columns() {
    const all = row => (this.sum > 0 ? row.bytes / this.sum : 0)
    return [
      siteColumn(this.model, 'Allocated by', 'unknown stack: no sample saw these'),
      {
        title: 'Kind',
        value: row => this.kind(row),
        cell: row => [
          el(
            'span',
            {class: 'tag ' + (row.isCollected ? 'good' : 'bad')},
            row.isCollected ? 'collected' : 'still there'
          ),
          ' ',
          el('span', {class: 'tag'}, this.kind(row)),
        ],
      },
      {
        title: 'Bytes',
        number: true,
        value: row => row.bytes,
        cell: row => el('span', {title: countText(row.bytes) + ' bytes'}, bytesText(row.bytes)),
        share: all,
      },
      {
        title: 'Of them indirect',
        number: true,
        value: row => row.indirect,
        cell: row => (row.indirect > 0 ? bytesText(row.indirect) : '–'),
      },
      numberColumn('Objects', 'objects', countText),
      {
        title: 'Oldest',
        number: true,
        help: 'How old the oldest was when the leak was found',
        value: row => this.age(row, row.first),
        cell: row => this.ageText(row, row.first),
      },
      {
        title: 'Youngest',
        number: true,
        value: row => this.age(row, row.last),
        cell: row => this.ageText(row, row.last),
      },
    ]
  }

  kind(row) {
    return row.direct > 0 ? (row.indirect > 0 ? 'direct and indirect' : 'direct') : 'indirect'
  }

  age(row, time) {
    return isFinite(time) && time > 0 ? row.found - time : -1
  }

  ageText(row, time) {
    const age = this.age(row, time)
    return age < 0 ? '–' : timeText(age)
  }

  refresh() {
    const [begin, end] = this.model.times()
    const {inFocus} = this.model
    const rows = this.app.facts.groups.filter(
      row =>
        this.has(this.view, row) &&
        (!inFocus || inFocus[row.node]) &&
        (row.last === 0 || (row.last >= begin && row.first <= end))
    )
    this.sum = sumOf(rows.map(row => row.bytes))
    this.table.set(rows)
    const of = this.model.isWhole() ? '' : ', allocated in the chosen window'
    this.count.textContent =
      `${plural(rows.length, 'group')}, ${bytesText(this.sum)} in ${plural(sumOf(rows.map(row => row.objects)), 'object')}${of}` +
      (this.model.selection.thread >= 0
        ? '. The filter by thread does not apply: leaks are counted for all threads together.'
        : '')
  }

  /* As LeakSanitizer has it: a part of a function's name. */
  suppression(row) {
    const frame = this.model.names.frames[this.model.site(row.node)]
    return 'leak:' + this.model.functionOf(frame).name
  }

  more(row) {
    const ages = this.app.details.binsOf('ages', i => this.model.now.node[i] === row.node)
    const course = this.model.now.course(i => this.model.now.node[i] === row.node)
    const line = row.isUnknown ? null : this.suppression(row)
    return el(
      'div',
      {class: 'columns'},
      el('div', {}, el('h3', {}, 'Allocated here'), stackList(this.model, row.node)),
      el(
        'div',
        {},
        row.address > 0
          ? [el('h3', {}, 'One of them'), el('div', {class: 'copy'}, el('code', {}, '0x' + row.address.toString(16)))]
          : null,
        line
          ? [
              el('h3', {}, 'If it is meant to be so'),
              el('div', {class: 'copy'}, el('code', {class: 'suppression'}, line), copyButton(line)),
            ]
          : null,
        course.length > 1 ? [el('h3', {}, 'Alive from this stack over time'), spark(course)] : null,
        ages.some(bin => bin.value > 0)
          ? [
              el('h3', {}, 'Ages of what is not freed'),
              bars(
                ages.filter(bin => bin.value > 0),
                countText
              ),
            ]
          : null,
        row.isUnknown
          ? null
          : el(
              'p',
              {},
              el(
                'button',
                {
                  onclick: () =>
                    this.app.showFlame(this.model.site(row.node), row.isCollected ? 'collected' : 'leaked'),
                },
                'Show in the flame graph'
              )
            )
      )
    )
  }

  copyAll() {
    const lines = new Set(this.table.rows.filter(row => !row.isUnknown).map(row => this.suppression(row)))
    copyText(Array.from(lines).join('\n') + '\n')
  }

  reveal(key) {
    const group = this.app.facts.groups.find(row => row.key === key)
    this.setView(group && !group.isCollected ? 'still' : 'all')
    this.table.reveal(key)
  }
}

/* The clipboard is only there where the browser trusts the page; a file on disk may have to do it the old way. */
function copyText(text) {
  const area = el('textarea', {class: 'unseen'}, text)
  document.body.append(area)
  area.select()
  const isDone = document.execCommand('copy')
  area.remove()
  say(isDone ? 'Copied' : 'Could not be copied')
  return isDone
}

function copyButton(text) {
  const button = el(
    'button',
    {
      onclick: () => {
        button.textContent = copyText(text) ? 'Copied' : 'Copy by hand'
        button.focus()
      },
    },
    'Copy'
  )
  return button
}
