// Small pictures of what runs. A session without one keeps its tile.
const every = 20_000;
const fresh = 15_000; // the server takes no new one before

let timer;

/** Loads the pictures of the cards on the page, and again from time to time while somebody looks. */
export function showThumbnails() {
  clearTimeout(timer);
  timer = setTimeout(showThumbnails, every);
  if (document.hidden) return;
  for (const img of document.querySelectorAll('img[data-thumbnail]')) load(img);
}

function load(img) {
  if (img.asked && performance.now() - img.asked < fresh) return;
  img.asked = performance.now();
  const next = new Image(); // the old one stays until the new one is there
  next.onload = () => {
    img.src = next.src;
    img.hidden = false;
  };
  next.src = `${img.dataset.thumbnail}?${Math.floor(Date.now() / fresh)}`;
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) showThumbnails(); });
