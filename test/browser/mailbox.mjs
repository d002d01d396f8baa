// A mail server that stores what it receives. It has as much of SMTP as it needs to receive a message.

import { createServer } from 'node:net';

export class Mailbox {
  constructor() {
    this.messages = [];
    this.waiting = [];
  }

  // next returns the text of the next message.
  next() {
    if (this.messages.length) return Promise.resolve(this.messages.shift());
    return new Promise((got) => { this.waiting.push(got); });
  }

  keep(message) {
    const text = message.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    if (this.waiting.length) this.waiting.shift()(text);
    else this.messages.push(text);
  }

  // talk serves one client, line by line.
  talk(socket) {
    let rest = '';
    let message = null; // the lines received so far
    const answer = (line) => {
      if (message && line !== '.') return void message.push(line);
      if (message) {
        this.keep(message.join('\r\n'));
        message = null;
      } else if (/^DATA$/i.test(line)) {
        message = [];
        return void socket.write('354 go on\r\n');
      } else if (/^QUIT$/i.test(line)) {
        return void socket.end('221 bye\r\n');
      }
      socket.write('250 ok\r\n');
    };
    socket.on('data', (data) => {
      const lines = (rest + data).split('\r\n');
      rest = lines.pop();
      lines.forEach(answer);
    });
    socket.on('error', () => {});
    socket.write('220 localhost\r\n');
  }
}

// openMailbox listens on an address, host:port.
export async function openMailbox(address) {
  const box = new Mailbox();
  const server = createServer((socket) => box.talk(socket));
  const [host, port] = address.split(':');
  await new Promise((ready) => { server.listen(Number(port), host, ready); });
  server.unref();
  return box;
}
