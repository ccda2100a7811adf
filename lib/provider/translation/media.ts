/** Content that is not text: in the request itself, or behind a URL. */
export type Media =
  | { readonly kind: 'data'; readonly mimeType: string; readonly base64: string }
  | { readonly kind: 'url'; readonly url: string };

/**
 * Returns the content of a `data:` URL, or any other URL as it is. Takes linear time, because an image has millions of
 * characters.
 */
export function readMedia(url: string): Media {
  const comma = url.slice(0, 5).toLowerCase() === 'data:' ? url.indexOf(',') : -1;
  if (comma === -1) return { kind: 'url', url };
  const [type = '', ...parameters] = url.slice(5, comma).split(';');
  const mimeType = normalMimeType(type);
  const data = url.slice(comma + 1);
  const isBase64 = parameters.some((parameter) => parameter.trim().toLowerCase() === 'base64');
  return { kind: 'data', mimeType, base64: isBase64 ? data : Buffer.from(decode(data)).toString('base64') };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function normalMimeType(type: string): string {
  const lower = type.trim().toLowerCase();
  if (lower === '') return 'text/plain';
  return lower === 'image/jpg' ? 'image/jpeg' : lower;
}

const BY_EXTENSION: ReadonlyMap<string, string> = new Map(
  Object.entries({
    jpg: 'image/jpeg',
    jpeg: 'image/jpeg',
    png: 'image/png',
    gif: 'image/gif',
    webp: 'image/webp',
    heic: 'image/heic',
    pdf: 'application/pdf',
    txt: 'text/plain',
    csv: 'text/csv',
    html: 'text/html',
    md: 'text/md',
    mp3: 'audio/mp3',
    wav: 'audio/wav',
    mp4: 'video/mp4',
  }),
);

/** The MIME type that the path of a URL suggests; `otherwise` if it has no known extension. */
export function mimeTypeOfUrl(url: string, otherwise: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : '';
  const extension = /\.([a-z0-9]{1,5})$/i.exec(path)?.[1]?.toLowerCase() ?? '';
  return BY_EXTENSION.get(extension) ?? otherwise;
}
