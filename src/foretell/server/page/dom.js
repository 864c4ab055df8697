// Makes elements. Whatever comes from a database enters as text: there is no way here to give markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) {
      if (typeof value !== "function") throw new TypeError(`${name} takes a function`);
      element.addEventListener(name.slice(2), value);
    } else if (name === "style") {
      for (const [property, given] of Object.entries(value)) element.style.setProperty(property, given);
    } else if (name === "value" || name === "checked" || name === "selected" || name === "disabled") {
      element[name] = value;
    } else {
      if (["href", "src", "srcset"].includes(name) && !/^(#|\/(?!\/))/.test(value))
        throw new TypeError(`${name} leads within this page or to this server`);
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** An HTML element: `h("p", {class: "note"}, "text", other)`. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Put these, and nothing else, into an element. */
export function show(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Tell those who listen instead of looking. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

let given = 0;

/** An id that nothing else on the page has. */
export function fresh(prefix) {
  given += 1;
  return `${prefix}-${given}`;
}

/** Call `action` once no call has come for `wait` milliseconds. */
export function settled(action, wait) {
  let timer = 0;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), wait);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
