/** Telling of a message that the visitor does not see: a mark before the page's title, and a sound if wanted. */

/** The tracker knows it and leaves it out of what it tells of the page. */
const MARK = "\u25cf ";

export function markTitle(marked: boolean): void {
  const { title } = document;
  if (title.startsWith(MARK) === marked) return;
  document.title = marked ? MARK + title : title.slice(MARK.length);
}

/** A soft tone, made and not loaded. Browsers allow it once the visitor has used the page. */
export function chime(): void {
  try {
    const audio = new AudioContext();
    const gain = audio.createGain();
    gain.connect(audio.destination);
    gain.gain.setValueAtTime(0.08, 0);
    gain.gain.exponentialRampToValueAtTime(0.001, 0.5);
    const tone = audio.createOscillator();
    tone.frequency.value = 880;
    tone.connect(gain);
    tone.onended = () => void audio.close();
    tone.start();
    tone.stop(0.5);
  } catch {
    // Without sound.
  }
}
