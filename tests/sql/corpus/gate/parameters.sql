-- allowed
SELECT a FROM messages WHERE a = {x:UInt64} AND a IN {y:Array(UInt64)} LIMIT {n:UInt32}
