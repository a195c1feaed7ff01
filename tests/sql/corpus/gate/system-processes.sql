-- SC115 system.processes
SELECT query FROM messages, system.processes
