-- allowed
SELECT a /* FROM secret */ FROM messages -- JOIN secret
# FROM secret

