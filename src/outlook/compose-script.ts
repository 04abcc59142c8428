// What PowerShell runs to open a message in Outlook: always these words, whatever the message says.
// The message is read from the file that an environment variable names; its texts come as base64 of UTF-8.

/** Names the file that describes the message. */
export const messageVariable = 'FLUXMAIL_OUTLOOK_MESSAGE'

// No double quotes in it: they would be quoted differently by each layer between us and PowerShell.
export const composeScript = `
$ErrorActionPreference = 'Stop'
$step = 'the message could not be read'
function Read-Text($value) { [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($value)) }
try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { }
try {
  $message = ConvertFrom-Json ([IO.File]::ReadAllText($env:${messageVariable}))
  $body = [IO.File]::ReadAllText((Read-Text $message.bodyFile))
  $step = 'Outlook could not be started'
  $outlook = New-Object -ComObject Outlook.Application
  $step = 'Outlook refused the message'
  $item = $outlook.CreateItem(0)
  $item.Subject = Read-Text $message.subject
  $item.Importance = [int]$message.importance
  if ($message.isHtml) { $item.HTMLBody = $body } else { $item.Body = $body }
  foreach ($each in $message.recipients) {
    $recipient = $item.Recipients.Add((Read-Text $each.address))
    $recipient.Type = [int]$each.type
  }
  [void]$item.Recipients.ResolveAll()
  foreach ($each in $message.replyTo) { [void]$item.ReplyRecipients.Add((Read-Text $each)) }
  foreach ($each in $message.attachments) { [void]$item.Attachments.Add((Read-Text $each)) }
  foreach ($each in $message.properties) {
    $item.PropertyAccessor.SetProperty((Read-Text $each.name), (Read-Text $each.value))
  }
  $step = 'Outlook could not show the message'
  $item.Display()
} catch {
  [Console]::Error.WriteLine($step + ': ' + $_.Exception.Message)
  exit 1
}
`.trim()
