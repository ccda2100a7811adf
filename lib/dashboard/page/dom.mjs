/** Creates an element. Text is always set as text, never parsed. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== 'role') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Changes a text only if it differs: an unchanged page is not laid out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The content security policy allows styles that a script sets one by one. */
export function setStyle(element, name, value) {
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
}

/** A horizontal bar that shows a share of 0 to 1. Its value is in the text beside it. */
export function bar(className = '') {
  const fill = el('i');
  const element = el('span', { className: `meter ${className}`, 'aria-hidden': 'true' }, fill);
  const set = (share) => setStyle(fill, 'transform', `scaleX(${Math.max(0, Math.min(1, share)).toFixed(3)})`);
  return { element, fill, set };
}
