-- SC516 currentUser
SELECT currentUser()
