// The script of the inbox page: shows new messages as they come and asks before deleting.
// The page works without it; it inserts only markup that this same server rendered.

export const script = `
const list = document.querySelector('[data-live]')
if (list && 'EventSource' in window) {
  let busy = false
  let again = false
  const refresh = async () => {
    again = busy
    if (busy) return
    busy = true
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html')
      const fresh = page.querySelector('[data-live]')
      const help = list.querySelector('details')
      if (help && help.open) fresh.querySelector('details').open = true
      list.replaceChildren(...fresh.childNodes)
    } finally {
      busy = false
    }
    if (again) refresh()
  }
  new EventSource('/api/events').addEventListener('change', refresh)
}
for (const form of document.querySelectorAll('form.clear')) {
  form.addEventListener('submit', (event) => {
    if (!confirm('Delete all recorded messages?')) event.preventDefault()
  })
}
`
