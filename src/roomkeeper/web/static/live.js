const inner = document.getElementById("inner");
const state = document.getElementById("state");
const source = new EventSource("/live");
source.onopen = () => { state.textContent = "Live."; };
source.onmessage = (event) => { inner.innerHTML = event.data; };
source.onerror = () => { state.textContent = "Roomkeeper does not answer; what you see may be old."; };
