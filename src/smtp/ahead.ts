// What of the next message goes out before its turn: its envelope, with the final dot of this one (RFC 2920, 3.1).
// nodemailer knows one message at a time and says it again in its turn; then it is found to have been said.

export class Ahead {
  /** Whether the final dot of this message has gone out. */
  #hasEnded = false
  /** Commands that are to go out with it. */
  #following = ''
  /** Commands that have gone out, and whose turn has not come. */
  #said = ''
  #isUnheard = false

  /** Whether commands went out that nodemailer has not said yet. */
  get isOut(): boolean {
    return this.#said !== ''
  }

  /** Whether the relay has not said a word about them. */
  get isUnheard(): boolean {
    return this.#isUnheard
  }

  /** A message begins. */
  begin(): void {
    this.#hasEnded = false
    this.#following = ''
  }

  /** These commands are to follow; gives what of them goes out at once. */
  follow(commands: string): Buffer | undefined {
    this.#following = commands
    return this.#hasEnded ? this.#release() : undefined
  }

  /** Takes back what is to follow; false when it has gone out. */
  unfollow(): boolean {
    this.#following = ''
    return this.#said === ''
  }

  /** The message ends; gives what goes out with its final dot. */
  end(): Buffer | undefined {
    this.#hasEnded = true
    return this.#release()
  }

  /** Whether these commands, whose turn has come, have gone out. */
  claim(commands: string): boolean {
    const isSaid = commands !== '' && commands === this.#said
    if (isSaid) this.#said = ''
    return isSaid
  }

  hear(): void {
    this.#isUnheard = false
  }

  #release(): Buffer | undefined {
    const commands = this.#following
    if (commands === '') return undefined
    this.#following = ''
    this.#said = commands
    this.#isUnheard = true
    return Buffer.from(`${commands}\r\n`)
  }
}
