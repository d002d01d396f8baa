# frozen_string_literal: true

# Leads Ruby programs that "usher exec" runs without a network of their own to usher,
# and keeps them from other hosts. usher exec puts its settings in place of the text
# below, and requires this file by RUBYOPT.
require 'json'
require 'socket'

# UsherExec decides where a connection goes.
module UsherExec
  SETTINGS = JSON.parse(
    '{}' # usher exec: settings
  ).freeze

  def self.domain?(host)
    SETTINGS['domains'].any? { |d| host == d || host.end_with?(".#{d}") }
  end

  def self.local?(host)
    host.empty? || host == 'localhost' || host.end_with?('.localhost') || host == Socket.gethostname.downcase ||
      ['::1', '::', '0.0.0.0'].include?(host) || host.match?(/\A127(\.\d+){3}\z/)
  end

  def self.allowed?(host)
    SETTINGS['allowAll'] || SETTINGS['allow'].include?(host)
  end

  # lead returns the host and the port to connect to, or raises.
  def self.lead(host, port)
    name = host.to_s.delete('[]').delete_suffix('.').downcase
    return SETTINGS['address'] if domain?(name) || local?(name) && port.to_i == SETTINGS['localPort']
    return [host, port] if local?(name) || allowed?(name)

    # usher reads the file at the end.
    File.open(SETTINGS['refused'], 'a') { |f| f.puts "#{name.gsub(/\s/, '')} #{port.to_i}" }
    raise Errno::ECONNREFUSED, "usher exec: #{name} is refused; --allow #{name} opens it"
  end

  # Connections are those of TCPSocket.
  module Connections
    def initialize(host, port = nil, *rest, **options, &block)
      super(*UsherExec.lead(host, port), *rest, **options, &block)
    end
  end

  # Tries are those of Socket.tcp, which looks up all addresses of a name.
  module Tries
    def tcp(host, port, *rest, **options, &block)
      super(*UsherExec.lead(host, port), *rest, **options, &block)
    end
  end
end

TCPSocket.prepend(UsherExec::Connections)
Socket.singleton_class.prepend(UsherExec::Tries)
