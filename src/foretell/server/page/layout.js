// Where the tables of a schema stand: what is pointed at on the left, what points on its right.

export const WIDE = 176;
export const TALL = 58;
const GAP = 22;
const APART = 84;
const MOST = 9; // tables in one column

/** How far each table is from those that point nowhere. Circles are cut where they close. */
function depths(names, parents) {
  const depth = new Map();
  const open = new Set();
  const visit = (name) => {
    if (depth.has(name)) return depth.get(name);
    if (open.has(name)) return -1;
    open.add(name);
    let deepest = -1;
    for (const parent of parents.get(name)) if (parent !== name) deepest = Math.max(deepest, visit(parent));
    open.delete(name);
    depth.set(name, deepest + 1);
    return deepest + 1;
  };
  names.forEach(visit);
  return depth;
}

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** `links` are {child, parent}; gives {boxes: name → {x, y}, lines: [{link, path, tip}], width, height}. */
export function layout(names, links) {
  const held = links.filter((link) => names.includes(link.child) && names.includes(link.parent));
  const parents = new Map(names.map((name) => [name, new Set()]));
  const beside = new Map(names.map((name) => [name, new Set()]));
  for (const link of held) {
    parents.get(link.child).add(link.parent);
    if (link.child === link.parent) continue;
    beside.get(link.child).add(link.parent);
    beside.get(link.parent).add(link.child);
  }
  const linked = names.filter((name) => held.some((l) => l.child === name || l.parent === name));
  const alone = names.filter((name) => !linked.includes(name));
  const depth = depths(linked, parents);
  // A table that points nowhere stands right before the first that points at it.
  for (const name of linked) {
    if (parents.get(name).size === 0 || (parents.get(name).size === 1 && parents.get(name).has(name))) {
      const near = [...beside.get(name)].map((other) => depth.get(other));
      if (near.length) depth.set(name, Math.max(0, Math.min(...near) - 1));
    }
  }
  const layers = [];
  for (const name of linked) (layers[depth.get(name)] ??= []).push(name);
  const columns = [];
  for (const layer of layers) {
    if (!layer) continue;
    const parts = Math.ceil(layer.length / MOST);
    const size = Math.ceil(layer.length / parts);
    for (let i = 0; i < parts; i += 1) columns.push(layer.slice(i * size, (i + 1) * size));
  }
  const place = new Map();
  const settle = () => columns.forEach((column) => column.forEach((name, i) => place.set(name, i - (column.length - 1) / 2)));
  settle();
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const order = sweep % 2 ? [...columns].reverse() : columns;
    for (const column of order) {
      const pull = new Map(
        column.map((name) => {
          const near = [...beside.get(name)].map((other) => place.get(other));
          return [name, near.length ? mean(near) : place.get(name)];
        }),
      );
      column.sort((a, b) => pull.get(a) - pull.get(b));
      settle();
    }
  }
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  const full = tallest * (TALL + GAP) - GAP;
  const y = new Map();
  for (const column of columns) column.forEach((name, i) => y.set(name, (full - (column.length * (TALL + GAP) - GAP)) / 2 + i * (TALL + GAP)));
  for (let pass = 0; pass < 12; pass += 1) {
    for (const column of pass % 2 ? [...columns].reverse() : columns) {
      for (const name of column) {
        const near = [...beside.get(name)].map((other) => y.get(other));
        if (near.length) y.set(name, (y.get(name) + mean(near)) / 2);
      }
      for (let i = 1; i < column.length; i += 1) y.set(column[i], Math.max(y.get(column[i]), y.get(column[i - 1]) + TALL + GAP));
      const over = y.get(column[column.length - 1]) - (full - TALL);
      if (over > 0) {
        y.set(column[column.length - 1], full - TALL);
        for (let i = column.length - 2; i >= 0; i -= 1) y.set(column[i], Math.min(y.get(column[i]), y.get(column[i + 1]) - TALL - GAP));
      }
      for (const name of column) y.set(name, Math.max(0, y.get(name)));
      for (let i = 1; i < column.length; i += 1) y.set(column[i], Math.max(y.get(column[i]), y.get(column[i - 1]) + TALL + GAP));
    }
  }
  const boxes = new Map();
  columns.forEach((column, i) => column.forEach((name) => boxes.set(name, { x: 20 + i * (WIDE + APART), y: 20 + y.get(name) })));
  let bottom = Math.max(0, ...[...boxes.values()].map((box) => box.y + TALL));
  if (alone.length) {
    const across = Math.max(3, columns.length);
    alone.forEach((name, i) => {
      boxes.set(name, { x: 20 + (i % across) * (WIDE + GAP), y: bottom + (columns.length ? 40 : 20) + Math.floor(i / across) * (TALL + GAP) });
    });
    bottom = Math.max(...[...boxes.values()].map((box) => box.y + TALL));
  }
  const width = Math.max(...[...boxes.values()].map((box) => box.x + WIDE), 200) + 44;
  return { boxes, lines: lines(held, boxes), width, height: bottom + 20 };
}

function lines(links, boxes) {
  const ports = new Map();
  const side = (link, at, other) => (at.x > other.x ? "left" : at.x < other.x ? "right" : "right");
  const ends = links.map((link) => {
    const child = boxes.get(link.child);
    const parent = boxes.get(link.parent);
    const own = side(link, child, parent);
    const theirs = child.x === parent.x ? "right" : side(link, parent, child);
    const end = { link, child, parent, own, theirs };
    for (const [name, which, other] of [[link.child, own, parent], [link.parent, theirs, child]]) {
      const key = `${which} ${name}`;
      if (!ports.has(key)) ports.set(key, []);
      ports.get(key).push({ end, other, role: name === link.child && which === own && other === parent ? "own" : "theirs" });
    }
    return end;
  });
  for (const list of ports.values()) {
    list.sort((a, b) => a.other.y - b.other.y);
    list.forEach((port, i) => {
      port.end[`${port.role}At`] = (TALL * (i + 1)) / (list.length + 1);
    });
  }
  return ends.map(({ link, child, parent, own, theirs, ownAt = TALL / 3, theirsAt = TALL / 2 }) => {
    const x1 = child.x + (own === "left" ? 0 : WIDE);
    const y1 = child.y + ownAt;
    const out = theirs === "right" ? 1 : -1;
    const x2 = parent.x + (theirs === "right" ? WIDE : 0) + out * 7;
    const y2 = parent.y + theirsAt;
    const bend = child.x === parent.x ? 36 : Math.max(34, Math.abs(x2 - x1) / 2);
    const path = `M${x1},${y1} C${x1 + (own === "left" ? -bend : bend)},${y1} ${x2 + out * bend},${y2} ${x2},${y2}`;
    const tip = `${x2 - out * 7},${y2} ${x2 + out},${y2 - 4.5} ${x2 + out},${y2 + 4.5}`;
    return { link, path, tip };
  });
}
