-- SC515 system.processes
SELECT query FROM messages, system.processes
